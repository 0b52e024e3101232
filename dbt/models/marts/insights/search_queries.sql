with

searches as (
    select
        events.event_id,
        events.user_id,
        events.session_id,
        events.event_at,
        regexp_replace(trim(lower(events.query)), '\s+', ' ', 'g') as query
    from {{ ref('int_events') }} as events
    anti join {{ ref('int_excluded_users') }} as excluded on events.user_id = excluded.user_id
    where events.event_type = 'search' and trim(events.query) <> ''
),

followed as (
    select
        searches.event_id,
        bool_or(acted.event_type = 'purchase') as has_purchase
    from searches
    inner join {{ ref('int_events') }} as acted
        on
            searches.user_id = acted.user_id
            and searches.session_id = acted.session_id
            and searches.event_at <= acted.event_at
    where acted.event_type in ('view', 'cart', 'purchase')
    group by searches.event_id
)

-- a query of one person alone is nobody else's business
select
    searches.query,
    count(*) as searches,
    count(distinct searches.user_id) as users,
    count(followed.event_id) as followed,
    count(*) filter (where followed.has_purchase) as bought,
    max(searches.event_at) as last_searched_at
from searches
left join followed on searches.event_id = followed.event_id
group by searches.query
having count(distinct searches.user_id) >= 2
order by searches.query
