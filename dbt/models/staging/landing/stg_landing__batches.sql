with

source as (
    select * from {{ landing(source('landing', 'batches')) }}
),

numbered as (
    select
        row_number() over (
            order by source, "table", landed_at, original_name, sha256
        ) as batch_number,
        source as source_name,
        "table" as table_name,
        mapped_by,
        coalesce(whole_table, false) as is_whole_table,
        sha256,
        row_number() over (
            partition by source, "table", original_name
            order by landed_at desc, sha256 desc
        ) = 1 as is_latest_of_name,
        landed_at as ingested_at
    from source
),

-- the newest file that is a whole table; several mappings of a table have one each
whole_tables as (
    select
        source_name,
        table_name,
        mapped_by,
        max(batch_number) as batch_number
    from numbered
    where is_whole_table
    group by source_name, table_name, mapped_by
),

replaced as (
    select distinct numbered.batch_number
    from numbered
    inner join whole_tables
        on
            numbered.source_name = whole_tables.source_name
            and numbered.table_name = whole_tables.table_name
            and coalesce(numbered.mapped_by, whole_tables.mapped_by) = whole_tables.mapped_by
            and numbered.batch_number < whole_tables.batch_number
)

select
    batch_number,
    source_name,
    table_name,
    sha256,
    is_latest_of_name,
    batch_number in (select replaced.batch_number from replaced) as is_replaced,
    ingested_at
from numbered
