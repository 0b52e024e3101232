select
    shown.impression_id,
    shown.user_id,
    shown.ad_id,
    moments.kind,
    shown.shown_at,
    moments.answered_at,
    coalesce(shown.converted, shown.clicked, false) as converted,
    cast(coalesce(shown.reward, 0) as double) as reward,
    cast(moments.spend_after as double) as spend_after,
    cast(moments.advertised_spend_before as double) as advertised_spend_before,
    moments.advertised_items_before,
    moments.ads_before,
    moments.answers_before,
    moments.ads_running
from {{ ref('int_impressions') }} as shown
inner join {{ ref('int_ad_moments') }} as moments
    on
        shown.user_id = moments.user_id
        and shown.ad_id = moments.ad_id
        and shown.shown_at = moments.moment
order by shown.impression_id
