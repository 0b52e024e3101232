with

source as (
    {{ landed('feedback', 'users', superseded_by_name=false) }}
)

select
    user_id,
    first_seen_at,
    age_band,
    income_band,
    household_size,
    household_composition,
    home_ownership,
    marital_status,
    kids_count,
    received_at
from source
where {{ within_bounds('users') }}
qualify row_number() over (partition by user_id order by received_at desc, batch_number desc) = 1
