{{ of_source('online_retail') }}

select
    invoice_id || '-' || line_number as event_id,
    customer_id as user_id,
    invoice_id as session_id,
    stock_code as item_id,
    case when is_return then 'return' else 'purchase' end as event_type,
    quantity,
    cast(quantity * unit_price as decimal(18, 4)) as value,
    invoiced_at as event_at,
    ingested_at
from {{ ref('stg_online_retail__invoices') }}
-- guests can't be distinguished, and a line without a price is a stock adjustment, not a sale
where customer_id is not null and unit_price > 0
