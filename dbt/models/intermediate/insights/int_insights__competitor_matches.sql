{{ of_insight('competitor_matches') }}

select *
from {{ ref('stg_insights__competitor_matches') }}
where compared_at <= {{ as_of() }}
