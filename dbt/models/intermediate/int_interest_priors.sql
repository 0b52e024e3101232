with

interests as (
    select * from {{ ref('int_interests') }}
),

shops as (
    select
        feature_at,
        count(distinct user_id) as users,
        count(distinct category) as categories
    from interests
    group by feature_at
),

shares as (
    select
        interests.feature_at,
        interests.category,
        cast(sum(cast(interests.share as decimal(18, 12))) as double) / any_value(shops.users) as share,
        -- as if one more came back just now, so that there is a gap where nobody did
        sum(interests.days_since_first) / (sum(interests.returns) + 1) as gap_days
    from interests
    inner join shops on interests.feature_at = shops.feature_at
    group by interests.feature_at, interests.category
),

chances as (
    select
        feature_at,
        cast(sum(cast(share * share as decimal(18, 12))) as double) as of_one_category
    from shares
    group by feature_at
),

-- how far each user is from the mean, as a share of how far users of one interest each would be
distances as (
    select
        interests.user_id,
        interests.feature_at,
        any_value(interests.evidence) as evidence,
        (
            sum(cast(interests.share * (interests.share - 2 * shares.share) as decimal(18, 12)))
            + any_value(chances.of_one_category)
        ) / nullif(1 - any_value(chances.of_one_category), 0) as distance
    from interests
    inner join shares
        on interests.feature_at = shares.feature_at and interests.category = shares.category
    inner join chances on interests.feature_at = chances.feature_at
    group by interests.user_id, interests.feature_at
),

-- chance alone makes 1 / evidence of it; what is beyond is how unlike users are
unlikeness as (
    select
        feature_at,
        cast(sum(cast(distance - 1 / evidence as decimal(18, 9))) as double)
        / sum(cast(1 - 1 / evidence as decimal(18, 9))) as unlikeness
    from distances
    where evidence > 1.01 and distance is not null
    group by feature_at
)

select
    shares.feature_at,
    shares.category,
    shares.share,
    shares.gap_days,
    -- a Dirichlet of strength k has an unlikeness of 1 / (k + 1)
    coalesce(
        greatest(1 / greatest(unlikeness.unlikeness, 0.001) - 1, 0.1), shops.categories
    ) as strength,
    row_number() over (
        partition by shares.feature_at
        order by shares.share desc, shares.category asc
    ) as place
from shares
inner join shops on shares.feature_at = shops.feature_at
left join unlikeness on shares.feature_at = unlikeness.feature_at
