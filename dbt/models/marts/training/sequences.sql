{{ config(kept=kept("sequences")) }}
{%- set order = "event_at, strength, session_id, item_id" -%}
{%- set predicted = target_event_type(ref('interactions')) %}

-- noqa: disable=LT02
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
    {{ predicted }} as target_event_type
from ranked
where
    {{ in_slice() }}
    {%- if keeps_rows() %}
    -- all users, if another type is predicted now
    and (
        user_id in (select changed.user_id from {{ ref('int_changed_users') }} as changed)
        or {{ predicted }} not in (select target_event_type from {{ previous('sequences') }})
    )
    {%- endif %}
group by user_id
order by user_id
