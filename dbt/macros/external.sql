{#
    A mart: one Parquet file in the folder PENCHANT_MARTS, and a view on it. With rows that are kept from the previous
    build (kept.sql) it is in the order of its primary key, as every model that keeps rows orders them.

    It replaces dbt-duckdb's `external`, which writes a row of nulls for an empty mart and first creates a
    table. The contract is enforced, and the file is written atomically (USE_TMP_FILE).
#}
{% materialization external, adapter="duckdb" %}
    {%- set target = this.incorporate(type="view") -%}
    {%- set location = env_var("PENCHANT_SCHEME", "") ~ env_var("PENCHANT_MARTS", env_var("PENCHANT_HOME", "../.penchant") ~ "/by_hand/marts") ~ "/" ~ this.identifier ~ ".parquet" -%}
    {%- set location = location | replace("'", "''") -%}

    {{ run_hooks(pre_hooks) }}
    {%- set parts = sql_of_slices(sql) -%}
    {%- set slices = this.incorporate(path={"identifier": this.identifier ~ "__slices"}) -%}
    {%- if parts | length > 1 %}
    {% call statement("slices") %}
        {{ fill_table(slices, parts) }}
    {% endcall %}
    {%- endif %}
    {% call statement("main") %}
        {{ get_assert_columns_equivalent(sql) }}
        {%- set columns = model.columns | join(", ") -%}
        {%- set built = "select " ~ columns ~ " from " ~ (slices if parts | length > 1 else "(" ~ parts[0] ~ "\n)") -%}
        {%- set kept = kept_rows(columns) %}
        copy ({{ kept ~ " union all (" ~ built ~ ") order by " ~ primary_key() if kept else built }})
        to '{{ location }}' (format parquet, compression zstd, use_tmp_file true)
    {% endcall %}
    {%- if parts | length > 1 %}
    {% call statement("drop_slices") %}
        drop table {{ slices }}
    {% endcall %}
    {%- endif %}
    {% call statement("view") %}
        create or replace view {{ target }} as select * from read_parquet('{{ location }}')
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}

    {{ return({"relations": [target]}) }}
{% endmaterialization %}

{#- The columns of a mart's primary key. -#}
{% macro primary_key() -%}
    {%- for constraint in model.constraints if constraint.type == "primary_key" -%}
        {{ constraint.columns | join(", ") }}
    {%- endfor -%}
{%- endmacro %}
