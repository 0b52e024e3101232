{#
    A canonical table as canonical_tables.yml describes it; `penchant build` passes the file as a variable.
    sqlfluff knows no variables: .sqlfluff has a stub of this macro.
#}
{% macro canonical_table(table) %}
    {{ return(var("canonical_tables")[table]) }}
{% endmacro %}
