{{ canonical_staging('files', 'questions', superseded_by_name=false) }}
{{ config(enabled='files' in (given('question_sources') or [])) }}
