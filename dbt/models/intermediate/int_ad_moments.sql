{{ config(kept=kept("ads")) }}

{%- set days_before = 91 -%}

with

ads as (
    select * from {{ ref('int_ads') }}
),

-- nothing is learned from bots and test users
users as (
    select users.*
    from {{ ref('int_users') }} as users
    anti join {{ ref('int_excluded_users') }} as excluded on users.user_id = excluded.user_id
),

mailings as (
    select
        impressions.user_id,
        impressions.ad_id,
        impressions.shown_at,
        coalesce(impressions.converted, impressions.clicked, false) as answered,
        ads.ends_at
    from {{ ref('int_impressions') }} as impressions
    inner join ads on impressions.ad_id = ads.ad_id
    anti join {{ ref('int_excluded_users') }} as excluded on impressions.user_id = excluded.user_id
),

-- the time at which an ad was shown to a user; and for all users known at that time: the start of the
-- campaign, and as_of if it is still running
pairs as (
    select
        user_id,
        ad_id,
        shown_at as moment
    from mailings
    union
    select
        users.user_id,
        ads.ad_id,
        ads.starts_at as moment
    from ads
    inner join users on ads.starts_at > users.first_seen_at
    union
    select
        users.user_id,
        ads.ad_id,
        {{ as_of() }} as moment
    from ads
    cross join users
    where ads.starts_at <= {{ as_of() }} and ads.ends_at > {{ as_of() }}
),

-- there are no features before the first feature time; responses to a running campaign are not known, so it
-- has a moment at as_of only
moments as (
    select
        pairs.user_id,
        pairs.ad_id,
        pairs.moment,
        ads.kind,
        ads.ends_at
    from pairs
    inner join ads on pairs.ad_id = ads.ad_id
    where
        pairs.moment >= (select min(feature_at) from {{ ref('int_feature_times') }})
        and (ads.ends_at <= {{ as_of() }} or pairs.moment = {{ as_of() }})
        {%- if keeps_rows() %}
        and ads.ends_at > (select differs_from from {{ ref('int_first_ad_change') }})
        {%- endif %}
),

spending as (
    select
        moments.user_id,
        moments.ad_id,
        moments.moment,
        sum(purchases.value) as spend_after
    from moments
    inner join {{ ref('int_purchases') }} as purchases
        on
            moments.user_id = purchases.user_id
            and moments.moment <= purchases.event_at
            and moments.ends_at > purchases.event_at
    group by moments.user_id, moments.ad_id, moments.moment
),

advertised as (
    select
        purchases.user_id,
        purchases.item_id,
        purchases.event_at,
        purchases.value,
        campaigns.campaign_id as ad_id
    from {{ ref('int_purchases') }} as purchases
    inner join {{ ref('int_campaigns') }} as campaigns on purchases.item_id = campaigns.item_id
    where
        purchases.event_at >= (
            select min(moments.moment) - interval '{{ days_before }} days' from moments
        )
),

advertised_spending as (
    select
        moments.user_id,
        moments.ad_id,
        moments.moment,
        sum(advertised.value) filter (where advertised.event_at >= moments.moment) as spend_after,
        sum(advertised.value) filter (where advertised.event_at < moments.moment) as spend_before,
        count(distinct advertised.item_id) filter (
            where advertised.event_at < moments.moment
        ) as items_before
    from moments
    inner join advertised
        on
            moments.user_id = advertised.user_id
            and moments.ad_id = advertised.ad_id
            and moments.moment - interval '{{ days_before }} days' <= advertised.event_at
            and moments.ends_at > advertised.event_at
    group by moments.user_id, moments.ad_id, moments.moment
),

-- a response is known when its campaign has ended
earlier_ads as (
    select
        moments.user_id,
        moments.ad_id,
        moments.moment,
        count(*) as ads_before,
        count(*) filter (where mailings.answered and mailings.ends_at <= moments.moment)
            as answers_before,
        count(*) filter (where mailings.ends_at > moments.moment) as ads_running
    from moments
    inner join mailings
        on moments.user_id = mailings.user_id and moments.moment > mailings.shown_at
    group by moments.user_id, moments.ad_id, moments.moment
)

select
    moments.user_id,
    moments.ad_id,
    moments.moment,
    moments.kind,
    moments.ends_at as answered_at,
    coalesce(spending.spend_after, 0) as spend_after,
    coalesce(advertised_spending.spend_after, 0) as advertised_spend_after,
    coalesce(advertised_spending.spend_before, 0) as advertised_spend_before,
    coalesce(advertised_spending.items_before, 0) as advertised_items_before,
    coalesce(earlier_ads.ads_before, 0) as ads_before,
    coalesce(earlier_ads.answers_before, 0) as answers_before,
    coalesce(earlier_ads.ads_running, 0) as ads_running
from moments
left join spending
    on
        moments.user_id = spending.user_id
        and moments.ad_id = spending.ad_id
        and moments.moment = spending.moment
left join advertised_spending
    on
        moments.user_id = advertised_spending.user_id
        and moments.ad_id = advertised_spending.ad_id
        and moments.moment = advertised_spending.moment
left join earlier_ads
    on
        moments.user_id = earlier_ads.user_id
        and moments.ad_id = earlier_ads.ad_id
        and moments.moment = earlier_ads.moment
