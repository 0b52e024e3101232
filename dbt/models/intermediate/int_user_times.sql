{{ config(materialized="view") }}

select
    users.user_id,
    times.feature_at
from {{ ref('int_users') }} as users
inner join {{ ref('int_times_to_build') }} as times on users.first_seen_at < times.feature_at
