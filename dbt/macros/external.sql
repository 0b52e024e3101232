{#
    A mart: a Parquet file in the folder PENCHANT_MARTS, and a view on it.

    With `parts`, the end of a row's period (`part_end`), it is a folder of files, one for each period: the next build
    links the files of periods in which nothing changed. In an encrypted home it is one file.

    It replaces dbt-duckdb's `external`, which writes a row of nulls for an empty mart and first creates a
    table. The contract is enforced, and files are written atomically (USE_TMP_FILE). penchant/building/kept_build.py
    writes marts in the same way.
#}
{% materialization external, adapter="duckdb" %}
    {%- set target = this.incorporate(type="view") -%}
    {%- set scheme = env_var("PENCHANT_SCHEME", "") -%}
    {%- set path = env_var("PENCHANT_MARTS", env_var("PENCHANT_HOME", "../.penchant") ~ "/by_hand/marts") ~ "/" ~ this.identifier ~ ".parquet" -%}
    {%- set path = path | replace("'", "''") -%}
    {%- set in_parts = config.get("parts") and not scheme -%}

    {{ run_hooks(pre_hooks) }}
    {%- set slices = sql_of_slices(sql) -%}
    {%- set written = this.incorporate(path={"identifier": this.identifier ~ "__written"}, type="table") -%}
    {%- set columns = model.columns | join(", ") -%}
    {% call statement("main") %}
        {{ get_assert_columns_equivalent(sql) }}
        {%- if in_parts or slices | length > 1 %}
        {{ fill_table(written, slices) }}
        {%- else %}
        {{ copy_mart("select " ~ columns ~ " from (" ~ slices[0] ~ "\n)", scheme ~ path) }}
        {%- endif %}
    {% endcall %}
    {%- if in_parts %}
        {{ write_parts(written, path) }}
    {%- elif slices | length > 1 %}
    {% call statement("copy") %}
        {{ copy_mart("select " ~ columns ~ " from " ~ written, scheme ~ path) }}
    {% endcall %}
    {%- endif %}
    {%- if in_parts or slices | length > 1 %}
    {% call statement("drop_written") %}
        drop table {{ written }}
    {% endcall %}
    {%- endif %}
    {% call statement("view") %}
        create or replace view {{ target }} as select * from read_parquet('{{ scheme ~ path }}')
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}

    {{ return({"relations": [target]}) }}
{% endmaterialization %}

{#- Write one file. -#}
{% macro copy_mart(built, location) -%}
    copy ({{ built }}) to '{{ location }}' (format parquet, compression zstd, use_tmp_file true)
{%- endmacro %}

{#- Write a file for each period with rows, in the order of their times, and an empty one, from which a mart without rows has its columns. -#}
{% macro write_parts(built, path) -%}
    {%- set columns, end = model.columns | join(", "), config.get("parts") -%}
    {% call statement("prepare_parts") %}
        select prepare_parts('{{ path }}')
    {% endcall %}
    {% call statement("empty_part") %}
        {{ copy_mart("select " ~ columns ~ " from " ~ built ~ " limit 0", path ~ "/0000.parquet") }}
    {% endcall %}
    {%- for part in run_query("select distinct strftime(" ~ end ~ ", '%Y-%m-%d') from " ~ built ~ " order by 1").columns[0].values() %}
    {% call statement("part") %}
        {{ copy_mart(
            "select " ~ columns ~ " from " ~ built ~ " where " ~ end ~ " = timestamp '" ~ part ~ "' order by " ~ config.get("kept")["by"] ~ ", " ~ primary_key(),
            path ~ "/" ~ part ~ ".parquet",
        ) }}
    {% endcall %}
    {%- endfor %}
{%- endmacro %}

{#- The config `parts`: the end of the period of the grid of feature times that a row is in. Events are before it,
    feature times at it or before it. -#}
{% macro part_end(at) -%}
    {%- set before = at if at == "event_at" else at ~ " - interval 1 microsecond" -%}
    {{ return("(" ~ grid_time(before) ~ " + interval '" ~ var("feature_interval_days") ~ " days')") }}
{%- endmacro %}

{#- The columns of a mart's primary key. -#}
{% macro primary_key() -%}
    {%- for constraint in model.constraints if constraint.type == "primary_key" -%}
        {{ constraint.columns | join(", ") }}
    {%- endfor -%}
{%- endmacro %}
