with

grid as (
    select unnest(generate_series(
        {{ history_start(as_of()) }},
        {{ as_of() }},
        interval '{{ var("feature_interval_days") }} days'
    )) as feature_at
),

times as (
    select feature_at from grid
    where feature_at >= {{ as_of() }} - interval '{{ var("feature_history_days") }} days'
    union
    select {{ as_of() }} as feature_at
)

select feature_at from times
-- no feature rows before the first event
where feature_at > (select min(event_at) from {{ ref('int_events') }})
