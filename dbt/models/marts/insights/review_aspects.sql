{{ of_insight('review_aspects') }}

select
    level,
    name,
    language,
    aspect,
    read_at as feature_at,
    reviews,
    sentiment,
    favourable,
    trend
from {{ ref('int_insights__review_aspects') }}
order by level, name, language, aspect, read_at
