select
    ad_id || '-' || user_id as offer_id,
    user_id,
    ad_id,
    kind,
    moment as feature_at,
    cast(answered_at as date) as ends_on,
    cast(advertised_spend_before as double) as advertised_spend_before,
    advertised_items_before,
    ads_before,
    answers_before,
    ads_running
from {{ ref('int_ad_moments') }}
where moment = {{ as_of() }} and answered_at > {{ as_of() }}
order by ad_id, user_id
