{{ of_source('feedback') }}

with

shown as (
    select * from {{ ref('stg_feedback__impressions') }}
),

outcomes as (
    select
        impression_id,
        bool_or(event_type = 'purchase') as converted,
        sum(value) filter (where event_type = 'purchase') as reward
    from {{ ref('int_feedback__outcomes') }}
    where status = 'matched'
    group by impression_id
)

select
    shown.*,
    outcomes.impression_id is not null as clicked,
    coalesce(outcomes.converted, false) as converted,
    cast(coalesce(outcomes.reward, 0) as decimal(38, 4)) as reward,
    shown.shown_at + interval '{{ var("outcome_window_days") }} days' as settled_at
from shown
left join outcomes on shown.impression_id = outcomes.impression_id
