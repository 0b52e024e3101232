{%- set order = "event_at, strength, session_id, item_id" -%}

with

ranked as (
    select
        *,
        list_position({{ given('interaction_event_types') }}, event_type) as strength
    from {{ ref('interactions') }}
)

select
    user_id,
    list(item_id order by {{ order }}) as item_ids,
    list(event_at order by {{ order }}) as event_ats,
    list(weight order by {{ order }}) as weights,
    list(event_type order by {{ order }}) as event_types,
    {% if given('target_event_type') -%}
    '{{ given("target_event_type") }}' as target_event_type
    {%- else -%}
    {{ given('interaction_event_types') }}[(select min(r.strength) from ranked as r)] as target_event_type
    {%- endif %}
from ranked
where {{ in_slice() }}
group by user_id
order by user_id
