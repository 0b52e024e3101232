{{ of_insight('competitor_prices') }}

select *
from {{ ref('stg_insights__competitor_prices') }}
where compared_at <= {{ as_of() }}
