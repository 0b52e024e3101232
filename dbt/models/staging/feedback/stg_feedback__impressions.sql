with

landed as (
    {{ landed('feedback', 'impressions', superseded_by_name=false) }}
),

source as (
    -- batches that landed before scores were logged lack the column
    select
        cast(null as varchar) as impression_id,
        cast(null as varchar) as slate_id,
        cast(null as varchar) as user_id,
        cast(null as varchar) as item_id,
        cast(null as varchar) as ad_id,
        cast(null as varchar) as placement,
        cast(null as bigint) as position,
        cast(null as varchar) as policy,
        cast(null as double) as propensity,
        cast(null as varchar) as context,
        cast(null as varchar) as release_id,
        cast(null as double) as score,
        cast(null as timestamp) as shown_at,
        cast(null as bigint) as batch_number,
        cast(null as timestamp) as ingested_at
    where false
    union all by name
    select * from landed
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
    score,
    shown_at
from source
{{ latest_of(['impression_id']) }}
