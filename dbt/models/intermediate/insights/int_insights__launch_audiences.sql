{{ of_insight('launch_audiences') }}

select *
from {{ ref('stg_insights__launch_audiences') }}
where ranked_at <= {{ as_of() }}
