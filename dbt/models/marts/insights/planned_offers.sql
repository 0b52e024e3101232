{{ of_insight('planned_offers') }}

-- users who object to being profiled are not in the mart of users, and no insight is of bots and test users
select
    offers.campaign,
    offers.offer,
    offers.user_id,
    offers.planned_at as feature_at,
    cast(offers.starts_on as date) as starts_on,
    cast(offers.ends_on as date) as ends_on,
    offers.discount,
    offers.sent as is_sent,
    offers.propensity,
    offers.added as expected_added,
    offers.cost as expected_cost
from {{ ref('int_insights__planned_offers') }} as offers
inner join {{ ref('users') }} as users on offers.user_id = users.user_id
anti join {{ ref('excluded_users') }} as excluded on offers.user_id = excluded.user_id
order by offers.campaign, offers.offer, offers.user_id, offers.planned_at
