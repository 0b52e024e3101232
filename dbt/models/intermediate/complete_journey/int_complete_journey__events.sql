{{ of_source('complete_journey') }}

with

transactions as (
    select * from {{ ref('stg_complete_journey__transactions') }}
),

fuel as (
    select product_id
    from {{ ref('stg_complete_journey__products') }}
    where product_type = 'GASOLINE-REG UNLEADED'
)

select
    transactions.basket_id || '-' || transactions.product_id as event_id,
    transactions.household_id as user_id,
    transactions.basket_id as session_id,
    transactions.product_id as item_id,
    'purchase' as event_type,
    -- the quantity of fuel is in thousandths of a gallon: a fill counts as one
    case when fuel.product_id is null then transactions.quantity else 1 end as quantity,
    transactions.sales_value as value,
    transactions.retail_discount as discount,
    transactions.coupon_discount + transactions.coupon_match_discount as coupon_discount,
    transactions.transacted_at as event_at,
    transactions.ingested_at
from transactions
left join fuel on transactions.product_id = fuel.product_id
-- a quantity of 0 is a coupon or a line that was cancelled: 8,869 rows, 12.52 of 4.6 million in value
where transactions.quantity > 0
