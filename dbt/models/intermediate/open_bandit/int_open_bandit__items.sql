{{ of_source('open_bandit') }}

select
    item_id,
    'Fashion item ' || item_id as title,
    feature_3 as category_1,
    feature_2 as category_2,
    feature_1 as brand
from {{ ref('stg_open_bandit__items') }}
