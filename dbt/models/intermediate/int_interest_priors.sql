{{ config(materialized="sliced", kept=kept("feature_times")) }}

with

-- it is read three times: materialized, it would not fit in memory
interests as not materialized (
    select all_interests.*
    from {{ ref('int_interests') }} as all_interests
    -- nothing is learned from bots and test users
    anti join {{ ref('int_excluded_users') }} as excluded on all_interests.user_id = excluded.user_id
    where all_interests.feature_at in (select times.feature_at from {{ ref('int_times_to_build') }} as times)
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
        -- one added return avoids division by zero
        sum(interests.days_since_first) / (sum(interests.returns) + 1) as gap_days
    from interests
    inner join shops on interests.feature_at = shops.feature_at
    group by interests.feature_at, interests.category
),

probabilities as (
    select
        feature_at,
        cast(sum(cast(share * share as decimal(18, 12))) as double) as of_one_category
    from shares
    group by feature_at
),

-- each user's distance from the mean, relative to the distance of users with a single interest
distances as (
    select
        interests.user_id,
        interests.feature_at,
        any_value(interests.evidence) as evidence,
        (
            sum(cast(interests.share * (interests.share - 2 * shares.share) as decimal(18, 12)))
            + any_value(probabilities.of_one_category)
        ) / nullif(1 - any_value(probabilities.of_one_category), 0) as distance
    from interests
    inner join shares
        on interests.feature_at = shares.feature_at and interests.category = shares.category
    inner join probabilities on interests.feature_at = probabilities.feature_at
    group by interests.user_id, interests.feature_at
),

-- sampling explains 1 / evidence of the distance; the rest is dissimilarity between users
dissimilarity as (
    select
        feature_at,
        cast(sum(cast(distance - 1 / evidence as decimal(18, 9))) as double)
        / sum(cast(1 - 1 / evidence as decimal(18, 9))) as dissimilarity
    from distances
    where evidence > 1.01 and distance is not null
    group by feature_at
)

select
    shares.feature_at,
    shares.category,
    shares.share,
    shares.gap_days,
    -- a Dirichlet distribution of strength k has a dissimilarity of 1 / (k + 1)
    coalesce(
        greatest(1 / greatest(dissimilarity.dissimilarity, 0.001) - 1, 0.1), shops.categories
    ) as strength,
    row_number() over (
        partition by shares.feature_at
        order by shares.share desc, shares.category asc
    ) as place
from shares
inner join shops on shares.feature_at = shops.feature_at
left join dissimilarity on shares.feature_at = dissimilarity.feature_at
