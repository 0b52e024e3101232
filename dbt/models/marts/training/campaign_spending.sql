with

ads as (
    select * from {{ ref('int_ads') }}
),

sent as (
    select
        user_id,
        ad_id,
        max(propensity) as propensity
    from {{ ref('int_impressions') }}
    where ad_id is not null
    group by user_id, ad_id
),

-- if all impressions of a campaign have the same propensity, it also holds for users not sent it
propensities as (
    select
        ad_id,
        any_value(propensity) as propensity
    from sent
    group by ad_id
    having count(distinct propensity) = 1 and count(propensity) = count(*)
)

select
    moments.ad_id || '-' || moments.user_id as offer_id,
    moments.user_id,
    moments.ad_id,
    moments.kind,
    moments.moment as starts_at,
    moments.answered_at,
    sent.user_id is not null as sent,
    propensities.propensity,
    cast(moments.spend_after as double) as spend_after,
    cast(moments.advertised_spend_after as double) as advertised_spend_after,
    cast(moments.advertised_spend_before as double) as advertised_spend_before,
    moments.advertised_items_before,
    moments.ads_before,
    moments.answers_before,
    moments.ads_running
from {{ ref('int_ad_moments') }} as moments
inner join ads on moments.ad_id = ads.ad_id and moments.moment = ads.starts_at
left join sent on moments.user_id = sent.user_id and moments.ad_id = sent.ad_id
left join propensities on moments.ad_id = propensities.ad_id
where moments.moment < {{ as_of() }}
order by moments.ad_id, moments.user_id
