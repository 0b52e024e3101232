with

shown as (
    select * from {{ ref('stg_feedback__impressions') }}
),

answered as (
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
    answered.impression_id is not null as clicked,
    coalesce(answered.converted, false) as converted,
    cast(coalesce(answered.reward, 0) as decimal(18, 4)) as reward,
    shown.shown_at + interval '{{ var("outcome_window_days") }} days' as settled_at
from shown
left join answered on shown.impression_id = answered.impression_id
