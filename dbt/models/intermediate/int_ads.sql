select
    campaign_id as ad_id,
    min(kind) as kind,
    cast(min(starts_on) as timestamp) as starts_at,
    cast(max(ends_on) + 1 as timestamp) as ends_at
from {{ ref('int_campaigns') }}
group by campaign_id
