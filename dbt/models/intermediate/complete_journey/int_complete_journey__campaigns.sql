{{ of_source('complete_journey') }}

with

advertised as (
    select distinct
        campaign_id,
        product_id
    from {{ ref('stg_complete_journey__coupons') }}
),

descriptions as (
    select * from {{ ref('stg_complete_journey__campaign_descriptions') }}
)

select
    advertised.campaign_id,
    advertised.product_id as item_id,
    descriptions.campaign_type as kind,
    descriptions.starts_on,
    descriptions.ends_on
from advertised
inner join descriptions on advertised.campaign_id = descriptions.campaign_id
