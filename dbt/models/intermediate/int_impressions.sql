with

all_impressions as (
    {{ union_of_sources('impressions') }}
)

select * from all_impressions
where shown_at < {{ as_of() }}
