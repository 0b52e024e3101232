select
    user_id,
    reason
from {{ ref('int_excluded_users') }}
order by user_id
