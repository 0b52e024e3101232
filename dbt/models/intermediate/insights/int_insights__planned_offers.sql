{{ of_insight('planned_offers') }}

select *
from {{ ref('stg_insights__planned_offers') }}
where planned_at <= {{ as_of() }}
