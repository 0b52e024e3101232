{{ config(kept=kept("events"), parts=part_end("event_at")) }}

select
    event_id,
    user_id,
    session_id,
    item_id,
    event_type,
    quantity,
    cast(value as double) as value,
    query,
    event_at,
    ingested_at
from {{ ref('int_events') }}
{%- if keeps_rows() %}
where event_at >= {{ first_change() }}
{%- endif %}
order by event_at, event_id
