with

every_source as (
    {{ union_of_sources('users', with_origin='user_id') }}
),

-- what a service sends replaces what a file says, but for the time at which it was first seen; of linked ids
-- the subject's own row counts
listed as (
    select
        * exclude (received_at, origin)
        replace (min(first_seen_at) over (partition by user_id) as first_seen_at)
    from every_source
    qualify
        row_number() over (
            partition by user_id order by received_at desc nulls last, origin <> user_id asc, origin asc
        ) = 1
),

-- users of events, impressions, reviews and questions exist even if no source lists them
traces as (
    select
        user_id,
        event_at as seen_at
    from {{ ref('int_events') }}
    union all
    select
        user_id,
        shown_at as seen_at
    from {{ ref('int_impressions') }}
    union all
    select
        user_id,
        reviewed_at as seen_at
    from {{ ref('int_reviews') }}
    union all
    select
        user_id,
        asked_at as seen_at
    from {{ ref('int_questions') }}
    where user_id is not null
),

first_traces as (
    select
        user_id,
        min(seen_at) as first_trace_at
    from traces
    group by user_id
),

history as (
    select coalesce(min(event_at), {{ as_of() }}) as begins_at from {{ ref('int_events') }}
),

dated as (
    select
        coalesce(listed.user_id, first_traces.user_id) as user_id,
        -- the first event of all, if no time is known
        coalesce(
            least(listed.first_seen_at, first_traces.first_trace_at), history.begins_at
        ) as first_seen_at,
        listed.* exclude (user_id, first_seen_at)
    from listed
    full outer join first_traces on listed.user_id = first_traces.user_id
    cross join history
)

select * from dated
where first_seen_at < {{ as_of() }}
