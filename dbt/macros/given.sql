{#
    What has landed decides some variables: `penchant build` passes them and writes them to the package
    penchant_landing under `by_hand/` in the home, where dbt finds them when it is run by hand.
#}

{#- A variable that what has landed decides; none before the first build. -#}
{% macro given(name) -%}
    {%- set landed = penchant_landing.variables() if penchant_landing is defined else {} -%}
    {{ return(var(name, landed.get(name))) }}
{%- endmacro %}

{#- The number of slices in which models of users are built, see slices.sql. -#}
{% macro user_slices() -%}
    {{ return(given("user_slices") or 1) }}
{%- endmacro %}

{#- Leave a model out unless its source has landed. -#}
{% macro of_source(source_name) -%}
    {{ config(enabled=source_name in (given("sources") or [])) }}
{%- endmacro %}

{#- Leave a model out unless this table of insights has landed: a shop without competitors has no empty mart of them. -#}
{% macro of_insight(table) -%}
    {{ config(enabled=table in (given("insights") or [])) }}
{%- endmacro %}

{#- A source's files where this home has them. The YAML says `@landing`: a path there would be a change of the source in
    the eyes of `state:modified`. -#}
{% macro landing(source_relation) -%}
    {%- set home = env_var("PENCHANT_HOME", "../.penchant") | replace("'", "''") -%}
    {{ source_relation | string | replace("@landing", env_var("PENCHANT_LANDING", home ~ "/landing")) }}
{%- endmacro %}

{#- When the last batch of a source's table landed, for `dbt source freshness`; one that has none yet isn't late. -#}
{% macro last_landed(table) -%}
    select coalesce(max(ingested_at), now() at time zone 'UTC')
    from {{ target.schema }}.stg_landing__batches
    where source_name = '{{ table.source_name }}' and table_name = '{{ table.name }}'
{%- endmacro %}

{#- Stop a run that has nothing to read. -#}
{% macro check_that_something_is_built() -%}
    {%- if execute and given("sources") is none -%}
        {{ exceptions.raise_compiler_error(
            "nothing is built in the home " ~ env_var("PENCHANT_HOME", "../.penchant")
            ~ ": run `penchant ingest` and `penchant build` first"
        ) }}
    {%- endif -%}
{%- endmacro %}
