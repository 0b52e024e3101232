{{ config(kept=kept("feature_times"), parts=part_end("feature_at")) }}

{%- set most = var('portrait_interests') -%}
{%- set z = 1.6448536269514722 -%}
{%- set columns = [
    'interest_weights', 'interest_lows', 'interest_highs', 'interest_half_lives', 'interest_trends',
    'interest_evidence', 'interest_shop_shares',
] -%}

with

interests as (
    select * from {{ ref('int_interests') }}
    where
        feature_at in (select times.feature_at from {{ ref('int_times_to_build') }} as times)
        and {{ in_slice() }}
),

priors as (
    select * from {{ ref('int_interest_priors') }}
),

users as (
    select
        user_id,
        feature_at,
        any_value(evidence) as evidence,
        any_value(recent_of_all) as recent_of_all
    from interests
    group by user_id, feature_at
),

-- of the categories without acts, only the shop's leading ones can be among the listed interests
without_acts as (
    select
        users.user_id,
        users.feature_at,
        priors.category,
        0.0 as share,
        users.evidence,
        0 as returns,
        0 as days_since_first,
        0 as recent,
        users.recent_of_all
    from users
    inner join priors on users.feature_at = priors.feature_at and priors.place <= {{ most }}
    anti join interests
        on
            users.user_id = interests.user_id
            and users.feature_at = interests.feature_at
            and priors.category = interests.category
),

with_and_without_acts as (
    select * from interests
    union all by name
    select * from without_acts
),

-- a Dirichlet posterior: the user's share by its evidence, the shop's by the prior's strength
weighed as (
    select
        candidates.*,
        priors.share as shop_share,
        priors.strength,
        priors.gap_days,
        candidates.evidence * candidates.share + priors.strength * priors.share as alpha,
        greatest(candidates.evidence + priors.strength - alpha, 1e-6) as beta,
        alpha / (alpha + beta) as weight,
        row_number() over (
            partition by candidates.user_id, candidates.feature_at
            order by weight desc, candidates.category asc
        ) as place
    from with_and_without_acts as candidates
    inner join priors
        on candidates.feature_at = priors.feature_at and candidates.category = priors.category
    qualify place <= {{ most }}
),

described as (
    select
        user_id,
        feature_at,
        category as interests,
        weight as interest_weights,
        {{ beta_quantile('alpha', 'beta', -z) }} as interest_lows,
        {{ beta_quantile('alpha', 'beta', z) }} as interest_highs,
        ln(2) * (days_since_first + 2 * gap_days) / (returns + 2) as interest_half_lives,
        (recent - recent_of_all * weight) / (recent_of_all + strength) as interest_trends,
        evidence * share as interest_evidence,
        shop_share as interest_shop_shares,
        evidence,
        strength,
        place
    from weighed
),

portraits as (
    select
        user_id,
        feature_at,
        list(interests order by place) as interests,
        {% for column in columns -%}
        list(round({{ column }}, 6) order by place) as {{ column }},
        {% endfor -%}
        round(any_value(evidence), 6) as evidence,
        round(any_value(strength), 6) as prior_strength
    from described
    group by user_id, feature_at
),

loyalties as (
    select
        repeats.user_id,
        times.feature_at,
        round(sum(repeats.repeats) / sum(repeats.purchases), 6) as brand_loyalty
    from {{ ref('int_brand_repeats') }} as repeats
    inner join {{ ref('int_times_to_build') }} as times
        on
            repeats.period_end <= times.feature_at
            and repeats.period_end > times.feature_at - interval '364 days'
    where {{ in_slice('repeats.user_id') }}
    group by repeats.user_id, times.feature_at
)

select
    lifecycle.user_id,
    lifecycle.feature_at,
    coalesce(portraits.interests, []) as interests,
    {% for column in columns -%}
    coalesce(portraits.{{ column }}, []) as {{ column }},
    {% endfor -%}
    coalesce(portraits.evidence, 0) as evidence,
    portraits.prior_strength,
    case
        when prices.relative_price < 0.9 then 'economy'
        when prices.relative_price <= 1.1 then 'standard'
        when prices.relative_price is not null then 'premium'
    end as price_band,
    loyalties.brand_loyalty,
    lifecycle.lifecycle_stage
from {{ ref('user_lifecycle') }} as lifecycle
inner join {{ ref('user_price_sensitivity') }} as prices
    on lifecycle.user_id = prices.user_id and lifecycle.feature_at = prices.feature_at
left join portraits
    on lifecycle.user_id = portraits.user_id and lifecycle.feature_at = portraits.feature_at
left join loyalties
    on lifecycle.user_id = loyalties.user_id and lifecycle.feature_at = loyalties.feature_at
where
    lifecycle.feature_at in (select times.feature_at from {{ ref('int_times_to_build') }} as times)
    and {{ in_slice('lifecycle.user_id') }}
order by lifecycle.user_id, lifecycle.feature_at
