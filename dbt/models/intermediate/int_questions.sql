with

all_questions as (
    {{ union_of_sources('questions', sources=given('question_sources') or []) }}
)

select * from all_questions
where asked_at < {{ as_of() }}
