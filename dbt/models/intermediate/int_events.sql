{{ config(compared="cast(event_at as date)") }}

with

all_events as (
    {{ union_of_sources('events') }}
)

select * from all_events
where event_at < {{ as_of() }}
