select
    user_id,
    first_seen_at as feature_at,
    age_band,
    income_band,
    household_size,
    household_composition,
    home_ownership,
    marital_status,
    kids_count
from {{ ref('int_users') }}
order by user_id
