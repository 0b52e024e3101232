{{ of_source('complete_journey') }}

with

mailings as (
    select * from {{ ref('stg_complete_journey__campaigns') }}
),

descriptions as (
    select * from {{ ref('stg_complete_journey__campaign_descriptions') }}
),

redemptions as (
    select
        household_id,
        campaign_id,
        count(*) as redemptions
    from {{ ref('stg_complete_journey__coupon_redemptions') }}
    group by household_id, campaign_id
)

select
    mailings.campaign_id || '-' || mailings.household_id as impression_id,
    mailings.household_id as user_id,
    mailings.campaign_id as ad_id,
    'mail' as placement,
    'campaign' as policy,
    cast(descriptions.starts_on as timestamp) as shown_at,
    redemptions.redemptions is not null as converted,
    cast(coalesce(redemptions.redemptions, 0) as decimal(38, 4)) as reward
from mailings
inner join descriptions on mailings.campaign_id = descriptions.campaign_id
left join redemptions
    on
        mailings.household_id = redemptions.household_id
        and mailings.campaign_id = redemptions.campaign_id
