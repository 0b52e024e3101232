{{ of_source('feedback') }}

with

events as (
    select * from {{ ref('stg_feedback__events') }}
    where impression_id is not null
),

shown as (
    select * from {{ ref('stg_feedback__impressions') }}
),

classified as (
    select
        events.event_id,
        events.impression_id,
        events.user_id,
        events.event_type,
        events.value,
        events.event_at,
        events.received_at,
        shown.shown_at,
        events.copies,
        case
            when shown.impression_id is null then 'unmatched'
            when
                events.event_type in ('search', 'return')
                or events.user_id <> shown.user_id
                or (shown.item_id is not null and events.item_id is distinct from shown.item_id)
                then 'mismatched'
            when
                events.event_at < shown.shown_at - interval '{{ var("outcome_skew_seconds") }} seconds'
                then 'too_early'
            when
                events.event_at > shown.shown_at + interval '{{ var("outcome_window_days") }} days'
                then 'late'
            else 'matched'
        end as status
    from events
    left join shown on events.impression_id = shown.impression_id
)

select * from classified
