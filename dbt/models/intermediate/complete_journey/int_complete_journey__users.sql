{{ of_source('complete_journey') }}

with

households as (
    select distinct household_id from {{ ref('stg_complete_journey__transactions') }}
    union
    select household_id from {{ ref('stg_complete_journey__campaigns') }}
),

demographics as (
    select * from {{ ref('stg_complete_journey__demographics') }}
)

select
    households.household_id as user_id,
    demographics.age_band,
    demographics.income_band,
    demographics.household_size,
    demographics.household_composition,
    demographics.home_ownership,
    demographics.marital_status,
    demographics.kids_count
from households
left join demographics on households.household_id = demographics.household_id
