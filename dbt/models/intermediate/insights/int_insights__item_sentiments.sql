{{ of_insight('item_sentiments') }}

select *
from {{ ref('stg_insights__item_sentiments') }}
where read_at <= {{ as_of() }}
