{{ of_source('online_retail') }}

select
    stock_code as item_id,
    {{ sentence_case("arg_min(description, (invoiced_at, invoice_id, line_number))") }} as title,
    arg_min(unit_price, (invoiced_at, invoice_id, line_number)) as price,
    -- postage, fees, samples and manual corrections have no five digits
    regexp_matches(stock_code, '^([0-9]{5}|DCGS)') as is_merchandise
from {{ ref('stg_online_retail__invoices') }}
where customer_id is not null and unit_price > 0
group by stock_code
