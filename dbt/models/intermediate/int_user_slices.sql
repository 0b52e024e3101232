{{ config(enabled=user_slices() > 1) }}

select
    user_id,
    ntile({{ user_slices() }}) over (order by user_id) as slice
from {{ ref('int_users') }}
