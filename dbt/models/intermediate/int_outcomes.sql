with

all_outcomes as (
    {{ union_of_sources('outcomes') }}
)

select * from all_outcomes
where event_at < {{ as_of() }}
