{{ canonical_staging('simulator', 'questions') }}
{{ config(enabled='simulator' in (given('question_sources') or [])) }}
