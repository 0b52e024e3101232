{{ config(materialized="sliced", kept=kept("feature_times")) }}

with

counted as (
    select
        periods.user_id,
        times.feature_at,
        periods.category,
        sum({{ aged('periods.weight', 0.5) }}) as weight,
        sum({{ aged('periods.squared_weight', 0.25) }}) as squared_weight,
        sum(periods.acts) as acts,
        sum(periods.squared_acts) as squared_acts,
        sum(periods.days) - 1 as returns,
        date_diff('day', min(periods.first_on), times.feature_at) as days_since_first,
        coalesce(sum(periods.amount) filter (where periods.period_end = times.feature_at), 0) as recent
    from {{ ref('int_interest_periods') }} as periods
    inner join {{ ref('int_times_to_build') }} as times
        on
            periods.period_end <= times.feature_at
            and periods.period_end > times.feature_at - interval '364 days'
    where {{ in_slice('periods.user_id') }}
    group by periods.user_id, times.feature_at, periods.category
    having weight > 0
),

users as (
    select
        user_id,
        feature_at,
        sum(weight) as weight,
        -- Kish's effective sample size, reduced by the correlation of acts with the same item
        cast(pow(sum(weight), 2) as double) / sum(squared_weight)
        / (1 + {{ var('portrait_item_correlation') }} * (sum(squared_acts) / sum(acts) - 1)) as evidence,
        sum(recent) as recent
    from counted
    group by user_id, feature_at
)

select
    counted.user_id,
    counted.feature_at,
    counted.category,
    counted.weight / users.weight as share,
    users.evidence,
    counted.returns,
    counted.days_since_first,
    counted.recent,
    users.recent as recent_of_all
from counted
inner join users
    on counted.user_id = users.user_id and counted.feature_at = users.feature_at
