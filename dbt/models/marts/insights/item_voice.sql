{{ of_insight('item_sentiments') }}

with

sentiments as (
    select * from {{ ref('int_insights__item_sentiments') }}
),

items as (
    select item_id from {{ ref('items') }}
)

select
    sentiments.item_id,
    sentiments.read_at as feature_at,
    sentiments.reviews as voice_reviews,
    sentiments.sentiment as voice_sentiment,
    sentiments.sentiment - lag(sentiments.sentiment) over (
        partition by sentiments.item_id order by sentiments.read_at
    ) as voice_sentiment_change
from sentiments
inner join items on sentiments.item_id = items.item_id
order by sentiments.item_id, sentiments.read_at
