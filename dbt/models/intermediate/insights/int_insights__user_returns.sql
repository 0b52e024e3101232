{{ of_insight('user_returns') }}

select *
from {{ ref('stg_insights__user_returns') }}
where predicted_at <= {{ as_of() }}
