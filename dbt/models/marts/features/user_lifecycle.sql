with

statistics as (
    select
        user_id,
        feature_at,
        days_since_first_order,
        days_since_last_order as recency_days,
        orders_364d as frequency_364d,
        spend_364d as monetary_364d
    from {{ ref('user_statistics') }}
),

-- quintiles among users with an order, at the same feature time
scored as (
    select
        user_id,
        feature_at,
        {{ fifth_among('feature_at', 'recency_days desc') }} as recency_score,
        {{ fifth_among('feature_at', 'frequency_364d') }} as frequency_score,
        {{ fifth_among('feature_at', 'monetary_364d') }} as monetary_score
    from statistics
    where recency_days is not null
)

select
    statistics.user_id,
    statistics.feature_at,
    statistics.recency_days,
    statistics.frequency_364d,
    statistics.monetary_364d,
    scored.recency_score,
    scored.frequency_score,
    scored.monetary_score,
    case
        when statistics.recency_days is null then 'prospect'
        when statistics.days_since_first_order <= 28 then 'new'
        when statistics.recency_days <= 28 and scored.frequency_score >= 4 then 'loyal'
        when statistics.recency_days <= 28 then 'active'
        when statistics.recency_days <= 91 then 'at_risk'
        else 'lapsed'
    end as lifecycle_stage
from statistics
left join scored
    on statistics.user_id = scored.user_id and statistics.feature_at = scored.feature_at
order by statistics.user_id, statistics.feature_at
