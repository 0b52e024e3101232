{#
    A model whose rows are per user and feature time is built for one slice of the users after the other, so that
    its aggregates and lists fit in memory. `penchant build` sets the number of slices from the number of landed
    events and the memory; it doesn't change the result. Slices are ranges of user_id: their order is kept.
#}

{#- A condition: the user is in the slice that is being built. -#}
{% macro in_slice(user_id="user_id") -%}
    {%- if user_slices() == 1 -%}
    true
    {%- else -%}
    {{ user_id }} in (select slices.user_id from {{ ref("int_user_slices") }} as slices where slices.slice = /* slice */ 1)
    {%- endif -%}
{%- endmacro %}

{#- The model's SQL for each slice; one for a model without slices. -#}
{% macro sql_of_slices(sql) -%}
    {%- set parts = [] -%}
    {%- for slice in range(1, (user_slices() if "/* slice */" in sql else 1) + 1) -%}
        {%- do parts.append(sql | replace("/* slice */ 1", slice | string)) -%}
    {%- endfor -%}
    {{ return(parts) }}
{%- endmacro %}

{#- Statements that fill a table slice by slice. -#}
{% macro fill_table(table, parts) -%}
    create or replace table {{ table }} as ({{ parts[0] }}
    );
    {% for part in parts[1:] %}
    insert into {{ table }} by name ({{ part }}
    );
    {% endfor %}
{%- endmacro %}

{#- A table that is built slice by slice. -#}
{% materialization sliced, adapter="duckdb" %}
    {%- set target = this.incorporate(type="table") -%}

    {{ run_hooks(pre_hooks) }}
    {% call statement("main") %}
        {{ fill_table(target, sql_of_slices(sql)) }}
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}

    {{ return({"relations": [target]}) }}
{% endmaterialization %}
