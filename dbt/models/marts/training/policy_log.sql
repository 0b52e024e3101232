with

drawn as (
    select impressions.*
    from {{ ref('int_impressions') }} as impressions
    -- nothing is learned from bots and test users
    anti join {{ ref('int_excluded_users') }} as excluded on impressions.user_id = excluded.user_id
    where impressions.item_id is not null and impressions.propensity is not null
)

select
    impression_id,
    slate_id,
    user_id,
    item_id,
    position,
    placement,
    policy,
    propensity,
    context,
    release_id,
    shown_at,
    coalesce(settled_at, shown_at) as known_at,
    coalesce(clicked, false) as clicked,
    coalesce(converted, false) as converted,
    cast(coalesce(reward, 0) as double) as reward
from drawn
-- in an open window outcomes are not known yet: the impression would count as a failure
where coalesce(settled_at, shown_at) <= {{ as_of() }}
order by shown_at, impression_id
