{{ config(kept=kept("sequences")) }}
{%- set order = "event_at, strength, session_id, item_id" -%}
{%- set predicted = target_event_type(ref('interactions')) %}

-- noqa: disable=LT02,RF03
with

ranked as (
    select
        *,
        list_position({{ given('interaction_event_types') }}, event_type) as strength
    from {{ ref('interactions') }}
),

-- sorted once: each ordered list sorts its user's rows again
ordered as (
    select
        user_id,
        list(
            {
                'item_id': item_id,
                'event_at': event_at,
                'weight': weight,
                'event_type': event_type
            }
            order by {{ order }}
        ) as steps
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
)

select
    user_id,
    list_transform(steps, lambda step: step.item_id) as item_ids,
    list_transform(steps, lambda step: step.event_at) as event_ats,
    list_transform(steps, lambda step: step.weight) as weights,
    list_transform(steps, lambda step: step.event_type) as event_types,
    {{ predicted }} as target_event_type
from ordered
order by user_id
