with

every_source as (
    {{ union_of_sources('items', with_origin='item_id') }}
),

-- what a service sends replaces what a file says, but for the time at which it was first seen; of linked ids
-- the subject's own row counts
catalogue as (
    select
        * exclude (received_at, origin)
        replace (min(first_seen_at) over (partition by item_id) as first_seen_at)
    from every_source
    qualify
        row_number() over (
            partition by item_id order by received_at desc nulls last, origin <> item_id asc, origin asc
        ) = 1
),

-- items of events, impressions, reviews, questions and campaigns exist even if no catalogue has them
traces as (
    select
        item_id,
        event_at as seen_at
    from {{ ref('int_events') }}
    union all
    select
        item_id,
        shown_at as seen_at
    from {{ ref('int_impressions') }}
    union all
    select
        item_id,
        reviewed_at as seen_at
    from {{ ref('int_reviews') }}
    union all
    select
        item_id,
        asked_at as seen_at
    from {{ ref('int_questions') }}
    union all
    select
        item_id,
        cast(starts_on as timestamp) as seen_at
    from {{ ref('int_campaigns') }}
),

first_traces as (
    select
        item_id,
        min(seen_at) as first_trace_at
    from traces
    where item_id is not null
    group by item_id
),

history as (
    select coalesce(min(event_at), {{ as_of() }}) as begins_at from {{ ref('int_events') }}
),

-- without a catalogue every item counts as merchandise; with one, only what it lists
described as (
    select count(*) > 0 as has_catalogue from catalogue
),

dated as (
    select
        coalesce(catalogue.item_id, first_traces.item_id) as item_id,
        coalesce(
            nullif(trim(catalogue.title), ''),
            case when described.has_catalogue then 'Unknown product ' else '' end
            || coalesce(catalogue.item_id, first_traces.item_id)
        ) as title,
        -- the first event of all, if no time is known
        coalesce(
            least(catalogue.first_seen_at, first_traces.first_trace_at), history.begins_at
        ) as first_seen_at,
        coalesce(
            catalogue.is_merchandise, catalogue.item_id is not null or not described.has_catalogue
        ) as is_merchandise,
        catalogue.* exclude (item_id, title, first_seen_at, is_merchandise)
    from catalogue
    full outer join first_traces on catalogue.item_id = first_traces.item_id
    cross join history
    cross join described
)

select * from dated
where first_seen_at < {{ as_of() }}
