{{ of_insight('competitor_gaps') }}

select *
from {{ ref('stg_insights__competitor_gaps') }}
where compared_at <= {{ as_of() }}
