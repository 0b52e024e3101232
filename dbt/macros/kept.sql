{#
    Rows that are kept from the previous build, whose database is attached as `previous` (ADR 39).

    A row that depends on earlier events alone is kept if it is of a time before the first change. A model names in its
    config, `kept`, which of its rows those are, and selects the others itself; its materialization adds the kept ones.
#}

{#- By `kept`, the condition of the rows that are kept. -#}
{% macro kept_condition(kept) -%}
    {%- set differs_from = "(select differs_from from " ~ target.schema ~ ".int_first_change)" -%}
    {%- set of_users = "user_id not in (select user_id from " ~ target.schema ~ ".int_changed_users)" -%}
    {{ return({
        "events": "event_at < " ~ differs_from,
        "days": "feature_at <= " ~ differs_from,
        "feature_times": "feature_at <= " ~ differs_from
            ~ " and feature_at in (select feature_at from " ~ target.schema ~ ".int_feature_times)",
        "periods": "period_end <= " ~ grid_time(differs_from),
        "users": of_users,
        "sequences": of_users ~ " and target_event_type = " ~ target_event_type(target.schema ~ ".interactions"),
    }[kept]) }}
{%- endmacro %}

{#- Whether there is a previous build of the same project and variables. True while dbt parses, to find all `ref`. -#}
{% macro keeps_rows() -%}
    {{ return(not execute or env_var("PENCHANT_PREVIOUS", "") != "") }}
{%- endmacro %}

{#- A table of the previous build. -#}
{% macro previous(name) -%}
    previous.{{ target.schema }}.{{ name }}
{%- endmacro %}

{#- From when on the data differs from that of the previous build. -#}
{% macro first_change() -%}
    (select differs_from from {{ ref("int_first_change") }})
{%- endmacro %}

{#- A query of the rows of a model that are kept; empty for a model or build that keeps none. -#}
{% macro kept_rows(columns="*") -%}
    {%- set kept = config.get("kept") -%}
    {%- if kept and keeps_rows() -%}
        select {{ columns }} from {{ previous(this.identifier) }} where {{ kept_condition(kept) }}
    {%- endif -%}
{%- endmacro %}

{#- Rows of one of two builds alone, of columns or aggregates of a table. -#}
{% macro differing(table, columns, grouped="") -%}
    {%- set before = previous(table.identifier) -%}
    (select {{ columns }} from {{ table }} {{ grouped }} except select {{ columns }} from {{ before }} {{ grouped }})
    union all
    (select {{ columns }} from {{ before }} {{ grouped }} except select {{ columns }} from {{ table }} {{ grouped }})
{%- endmacro %}

{#- What two equal sets of rows have in common, in any order. -#}
{% macro fingerprint(columns) -%}
    count(*) as rows_count, sum(cast(hash({{ columns }}) as hugeint)) as total, bit_xor(hash('again', {{ columns }})) as parity
{%- endmacro %}
