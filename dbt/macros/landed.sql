{#
    What a table of the landing holds, with `batch_number` and `ingested_at` of each row's batch.

    A source that always ships a file whole (superseded_by_name) replaces what a file of the same name
    said before; else every batch counts, and `latest_of` tells which of two rows with one key does.
#}
{% macro landed(source_name, table, superseded_by_name=true) -%}
    select
        landed.* exclude (filename),
        batches.batch_number,
        batches.ingested_at
    from {{ source(source_name, table) }} as landed
    inner join {{ ref("stg_landing__batches") }} as batches on landed.filename = batches.filename
    {%- if superseded_by_name %}
    where batches.is_latest_of_name
    {%- endif %}
{%- endmacro %}

{#- Keep the row of the latest batch where batches share a key. -#}
{% macro latest_of(key) -%}
    qualify row_number() over (partition by {{ key | join(", ") }} order by batch_number desc) = 1
{%- endmacro %}

{#- Staging of a source that lands canonical tables: types made sure of, one row a key. -#}
{% macro canonical_staging(source_name, table, key, superseded_by_name=true) -%}
    {%- set never_landed = ["is_merchandise", "is_private_label", "discount", "coupon_discount",
        "slate_id", "context", "release_id", "settled_at"] -%}
    with

    source as (
        {{ landed(source_name, table, superseded_by_name) }}
    ),

    typed as (
        select
        {%- for name, type in canonical_columns(table).items() if name not in never_landed %}
            cast({{ name }} as {{ type }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
        from source
        {{ latest_of(key) }}
    )

    select * from typed
{%- endmacro %}
