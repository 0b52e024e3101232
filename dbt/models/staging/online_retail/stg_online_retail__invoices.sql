with

source as (
    {{ landed('online_retail', 'invoices') }}
),

renamed as (
    select
        line_number,
        "InvoiceNo" as invoice_id,
        upper(trim("StockCode")) as stock_code,
        nullif(trim("Description"), '') as description,
        "Quantity" as quantity,
        cast("UnitPrice" as decimal(18, 4)) as unit_price,
        cast("CustomerID" as varchar) as customer_id,
        "InvoiceDate" as invoiced_at,
        starts_with("InvoiceNo", 'C') as is_return,
        ingested_at
    from source
)

select * from renamed
