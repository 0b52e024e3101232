with

source as (
    select * from {{ source('landing', 'batches') }}
),

numbered as (
    select
        row_number() over (
            order by source, "table", landed_at, original_name, sha256
        ) as batch_number,
        replace(filename, 'batch.json', 'data.parquet') as filename,
        row_number() over (
            partition by source, "table", original_name
            order by landed_at desc, sha256 desc
        ) = 1 as is_latest_of_name,
        landed_at as ingested_at
    from source
)

select * from numbered
