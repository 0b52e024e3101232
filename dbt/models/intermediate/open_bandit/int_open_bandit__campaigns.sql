{{ of_source('open_bandit') }}

with

weeks as (
    select
        campaign,
        cast(min(shown_at) as date) as starts_on,
        cast(max(shown_at) as date) as ends_on
    from {{ ref('stg_open_bandit__impressions') }}
    group by campaign
)

select
    items.campaign as campaign_id,
    items.item_id,
    'recommendation' as kind,
    weeks.starts_on,
    weeks.ends_on
from {{ ref('stg_open_bandit__items') }} as items
inner join weeks on items.campaign = weeks.campaign
