select
    question_id,
    user_id,
    item_id,
    text,
    answer,
    asked_at
from {{ ref('int_questions') }}
order by asked_at, question_id
