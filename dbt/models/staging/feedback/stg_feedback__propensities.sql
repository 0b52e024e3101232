with

source as (
    {{ landed('feedback', 'propensities', superseded_by_name=false) }}
)

select
    slate_id,
    position,
    candidate_id,
    propensity,
    rank
from source
{{ latest_of(['slate_id', 'position', 'candidate_id']) }}
