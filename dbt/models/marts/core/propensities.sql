select
    slate_id,
    position,
    candidate_id,
    propensity,
    rank
from {{ ref('int_propensities') }}
order by slate_id, position, candidate_id
