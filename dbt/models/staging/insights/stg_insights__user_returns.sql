with

source as (
    {{ landed('insights', 'user_returns', superseded_by_name=false) }}
)

select
    user_id,
    predicted_at,
    return_probability,
    expected_value,
    alive_probability,
    fading
from source
{{ latest_of(['user_id', 'predicted_at']) }}
