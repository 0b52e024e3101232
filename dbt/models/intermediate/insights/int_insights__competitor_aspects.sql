{{ of_insight('competitor_aspects') }}

select *
from {{ ref('stg_insights__competitor_aspects') }}
where compared_at <= {{ as_of() }}
