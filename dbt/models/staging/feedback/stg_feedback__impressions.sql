with

source as (
    {{ landed('feedback', 'impressions', superseded_by_name=false) }}
)

select
    impression_id,
    slate_id,
    user_id,
    item_id,
    ad_id,
    placement,
    position,
    policy,
    propensity,
    context,
    release_id,
    shown_at
from source
{{ latest_of(['impression_id']) }}
