select
    impression_id,
    user_id,
    item_id,
    ad_id,
    placement,
    position,
    policy,
    propensity,
    shown_at,
    clicked,
    converted,
    cast(reward as double) as reward,
    slate_id,
    context,
    release_id,
    score
from {{ ref('int_impressions') }}
order by impression_id
