{#- The event type that families predict: the one of the setting, or else the strongest that was recorded. -#}
{% macro target_event_type(interactions) -%}
    {%- if given("target_event_type") -%}
        '{{ given("target_event_type") }}'
    {%- else -%}
        {%- set types = given("interaction_event_types") -%}
        {{ types }}[(
            select min(list_position({{ types }}, recorded.event_type)) from {{ interactions }} as recorded
        )]
    {%- endif -%}
{%- endmacro %}
