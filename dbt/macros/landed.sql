{#
    The rows of a landed table, each with the `batch_number` and `ingested_at` of its batch.

    With `superseded_by_name`, for a source that ships whole files, a newer file replaces an older one of the
    same name. Without it every batch counts; `latest_of` then selects one row per key.
#}
{% macro landed(source_name, table, superseded_by_name=true) -%}
    {{- of_source(source_name) -}}
    select
        landed.* exclude (filename),
        batches.batch_number,
        batches.ingested_at
    from {{ landing(source(source_name, table)) }} as landed
    inner join {{ ref("stg_landing__batches") }} as batches
        on
            string_split(landed.filename, '/')[-2] = batches.sha256
            and batches.source_name = '{{ source_name }}'
            and batches.table_name = '{{ table }}'
    where not batches.is_replaced{% if superseded_by_name %} and batches.is_latest_of_name{% endif %}
{%- endmacro %}

{#- Keep the row of the latest batch where several batches have the same key. -#}
{% macro latest_of(key) -%}
    qualify row_number() over (partition by {{ key | join(", ") }} order by batch_number desc) = 1
{%- endmacro %}
