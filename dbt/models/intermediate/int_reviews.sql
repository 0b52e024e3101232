with

all_reviews as (
    {{ union_of_sources('reviews') }}
)

select * from all_reviews
where reviewed_at < {{ as_of() }}
