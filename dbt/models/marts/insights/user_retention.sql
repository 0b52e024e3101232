{{ of_insight('user_returns') }}

-- users who object to being profiled are not in the mart of users, and no insight is of bots and test users
select
    predictions.user_id,
    predictions.predicted_at as feature_at,
    predictions.return_probability,
    predictions.expected_value,
    predictions.alive_probability,
    predictions.fading
from {{ ref('int_insights__user_returns') }} as predictions
inner join {{ ref('users') }} as users on predictions.user_id = users.user_id
anti join {{ ref('excluded_users') }} as excluded on predictions.user_id = excluded.user_id
order by predictions.user_id, predictions.predicted_at
