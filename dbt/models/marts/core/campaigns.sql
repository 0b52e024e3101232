select
    campaigns.campaign_id,
    campaigns.item_id,
    campaigns.kind,
    campaigns.starts_on,
    campaigns.ends_on
from {{ ref('int_campaigns') }} as campaigns
-- campaign items that are first seen after as_of are not in the mart items
inner join {{ ref('int_items') }} as items on campaigns.item_id = items.item_id
order by campaigns.campaign_id, campaigns.item_id
