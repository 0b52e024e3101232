{{ config(enabled=var('user_slices', 1) > 1) }}

select
    user_id,
    ntile({{ var('user_slices', 1) }}) over (order by user_id) as slice
from {{ ref('int_users') }}
