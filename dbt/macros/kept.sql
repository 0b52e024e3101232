{#
    Rows that are kept from the previous build, whose database is attached as `previous` (ADR 39).

    A row that depends on earlier events alone is kept if it is of a time before the first change. A model says in its
    config, `kept`, which of its rows those are, and selects the others itself. `penchant build` runs the models on a
    copy of the previous database: penchant/building/kept_build.py keeps those rows. dbt builds all rows.
#}

{#- The config `kept`: the condition of the rows that are kept, and the column that decides it. -#}
{% macro kept(rows) -%}
    {%- set since = "(select differs_from from " ~ this.schema ~ ".int_first_change)" -%}
    {%- set of_users = "user_id not in (select user_id from " ~ this.schema ~ ".int_changed_users)" -%}
    {{ return({
        "events": {"by": "event_at", "where": "event_at < " ~ since},
        "days": {"by": "feature_at", "where": "feature_at <= " ~ since},
        "feature_times": {
            "by": "feature_at",
            "where": "feature_at <= " ~ since
                ~ " and feature_at in (select feature_at from " ~ this.schema ~ ".int_feature_times)",
        },
        "ads": {
            "by": "answered_at",
            "where": "answered_at <= (select differs_from from " ~ this.schema ~ ".int_first_ad_change)"
                ~ " and moment >= (select min(feature_at) from " ~ this.schema ~ ".int_feature_times)",
        },
        "periods": {"by": "period_end", "where": "period_end <= " ~ grid_time(since)},
        "sessions": {
            "by": "user_id",
            "where": "(user_id, session_id) not in (select (user_id, session_id) from " ~ this.schema ~ ".int_changed_sessions)"
                ~ " and user_id not in (select user_id from " ~ this.schema ~ ".int_excluded_users)",
        },
        "sequences": {
            "by": "user_id",
            "where": of_users ~ " and target_event_type = " ~ target_event_type(this.schema ~ ".interactions"),
        },
    }[rows]) }}
{%- endmacro %}

{#- Whether there is a previous build of the same project and variables. True while dbt parses, to find all `ref`. -#}
{% macro keeps_rows() -%}
    {{ return(not execute or env_var("PENCHANT_PREVIOUS", "") != "") }}
{%- endmacro %}

{#- A table of the previous build. -#}
{% macro previous(name) -%}
    previous.{{ this.schema }}.{{ name }}
{%- endmacro %}

{#- From when on the data differs from that of the previous build. -#}
{% macro first_change() -%}
    (select differs_from from {{ ref("int_first_change") }})
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
