with

answers as (
    select * from {{ ref('stg_feedback__events') }}
    where impression_id is not null
),

shown as (
    select * from {{ ref('stg_feedback__impressions') }}
),

judged as (
    select
        answers.event_id,
        answers.impression_id,
        answers.user_id,
        answers.event_type,
        answers.value,
        answers.event_at,
        answers.received_at,
        shown.shown_at,
        answers.copies,
        case
            when shown.impression_id is null then 'unmatched'
            when answers.user_id <> shown.user_id or answers.item_id <> shown.item_id then 'mismatched'
            when
                answers.event_at < shown.shown_at - interval '{{ var("outcome_skew_seconds") }} seconds'
                then 'too_early'
            when
                answers.event_at > shown.shown_at + interval '{{ var("outcome_window_days") }} days'
                then 'late'
            else 'matched'
        end as status
    from answers
    left join shown on answers.impression_id = shown.impression_id
)

select * from judged
