{{ of_insight('review_aspects') }}

select *
from {{ ref('stg_insights__review_aspects') }}
where read_at <= {{ as_of() }}
