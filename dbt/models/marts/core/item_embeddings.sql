select
    item_id,
    kind,
    vector,
    len(vector) as dimensions
from {{ ref('int_item_embeddings') }}
order by item_id, kind
