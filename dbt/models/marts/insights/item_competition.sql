{{ of_insight('competitor_matches') }}

with

matches as (
    select
        matched.*,
        -- beyond a factor of five, prices are of different packs
        coalesce(matched.their_price / nullif(matched.price, 0) between 0.2 and 5, false) as is_comparable
    from {{ ref('int_insights__competitor_matches') }} as matched
    inner join {{ ref('items') }} as items on matched.item_id = items.item_id
)

select
    item_id,
    compared_at as feature_at,
    count(*) as competitors,
    min(their_price) filter (where is_comparable) as competitor_price,
    min(their_price / price) filter (where is_comparable) as competitor_price_ratio,
    max(confidence) as match_confidence
from matches
group by item_id, compared_at
order by item_id, compared_at
