select unnest(
    generate_series(
        (select min(events.event_at) from {{ ref('int_events') }} as events)::date,
        ({{ as_of() }} - interval '1 day')::date,
        interval '1 day'
    )
)::date as day
