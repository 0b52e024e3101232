{{ of_source('open_bandit') }}

select
    impression_id,
    user_group as user_id,
    item_id,
    campaign as ad_id,
    'home' as placement,
    slot - 1 as position,
    policy,
    propensity,
    shown_at,
    clicked,
    cast(clicked as decimal(38, 4)) as reward
from {{ ref('stg_open_bandit__impressions') }}
