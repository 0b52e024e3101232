with

mailings as (
    select * from {{ ref('int_impressions') }}
    where ad_id is not null
),

ads as (
    select distinct
        campaign_id,
        kind,
        cast(starts_on as timestamp) as starts_at,
        cast(ends_on + 1 as timestamp) as ends_at
    from {{ ref('int_campaigns') }}
),

-- before the first feature time there is nothing to predict from; after as_of the answer isn't known
answered as (
    select
        mailings.impression_id,
        mailings.user_id,
        mailings.ad_id,
        mailings.shown_at,
        mailings.converted,
        mailings.reward,
        ads.kind,
        ads.ends_at
    from mailings
    inner join ads on mailings.ad_id = ads.campaign_id
    where
        mailings.shown_at >= (select min(feature_at) from {{ ref('int_feature_times') }})
        and ads.ends_at <= {{ as_of() }}
),

spending as (
    select
        answered.impression_id,
        sum(purchases.value) as spend
    from answered
    inner join {{ ref('int_purchases') }} as purchases
        on
            answered.user_id = purchases.user_id
            and answered.shown_at <= purchases.event_at
            and answered.ends_at > purchases.event_at
    group by answered.impression_id
)

select
    answered.impression_id,
    answered.user_id,
    answered.ad_id,
    answered.kind,
    answered.shown_at,
    coalesce(answered.converted, false) as converted,
    cast(coalesce(answered.reward, 0) as double) as reward,
    cast(coalesce(spending.spend, 0) as double) as spend_after
from answered
left join spending on answered.impression_id = spending.impression_id
order by answered.impression_id
