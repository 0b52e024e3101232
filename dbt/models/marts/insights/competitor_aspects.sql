{{ of_insight('competitor_aspects') }}

select
    competitor,
    language,
    aspect,
    compared_at as feature_at,
    our_reviews,
    their_reviews,
    ours,
    theirs,
    difference,
    low as difference_low,
    high as difference_high
from {{ ref('int_insights__competitor_aspects') }}
order by competitor, language, aspect, compared_at
