"""The contracts of the canonical tables: what `files` and `simulator` land.

Columns are those of the core marts. Identifiers are text; timestamps are naive microseconds in UTC;
money is in the shop's currency. A return is an event of its own, with negative quantity and value.
"""

from penchant.ingestion.landing.contract import Code, Column, Contract, Rule

EVENT_TYPES = ("view", "search", "cart", "purchase", "return", "rating")

USERS = Contract(
    table="users",
    columns=(
        Column("user_id", "VARCHAR"),
        Column("first_seen_at", "TIMESTAMP", nullable=True),
        Column("age_band", "VARCHAR", nullable=True),
        Column("income_band", "VARCHAR", nullable=True),
        Column("household_size", "VARCHAR", nullable=True),
        Column("household_composition", "VARCHAR", nullable=True),
        Column("home_ownership", "VARCHAR", nullable=True),
        Column("marital_status", "VARCHAR", nullable=True),
        Column("kids_count", "VARCHAR", nullable=True),
    ),
    key=("user_id",),
)

ITEMS = Contract(
    table="items",
    columns=(
        Column("item_id", "VARCHAR"),
        Column("title", "VARCHAR"),
        Column("description", "VARCHAR", nullable=True),
        Column("category_1", "VARCHAR", nullable=True),
        Column("category_2", "VARCHAR", nullable=True),
        Column("category_3", "VARCHAR", nullable=True),
        Column("brand", "VARCHAR", nullable=True),
        Column("price", "DOUBLE", nullable=True, minimum=0),
        Column("first_seen_at", "TIMESTAMP", nullable=True),
    ),
    key=("item_id",),
)

EVENTS = Contract(
    table="events",
    columns=(
        Column("event_id", "VARCHAR"),
        Column("user_id", "VARCHAR"),
        Column("session_id", "VARCHAR"),
        Column("item_id", "VARCHAR", nullable=True),
        Column("event_type", "VARCHAR", accepted=EVENT_TYPES),
        Column("quantity", "BIGINT", nullable=True),
        Column("value", "DOUBLE", nullable=True),
        Column("query", "VARCHAR", nullable=True),
        Column("event_at", "TIMESTAMP"),
    ),
    key=("event_id",),
    rules=(
        Rule(
            Code.NEGATIVE_QUANTITY,
            "quantity",
            "quantity < 0 AND event_type <> 'return'",
            "negative, and the event is not a return",
        ),
        Rule(
            Code.NULL_VALUE,
            "item_id",
            "item_id IS NULL AND event_type <> 'search'",
            "only a search has no item",
        ),
    ),
)

IMPRESSIONS = Contract(
    table="impressions",
    columns=(
        Column("impression_id", "VARCHAR"),
        Column("user_id", "VARCHAR"),
        Column("item_id", "VARCHAR", nullable=True),
        Column("ad_id", "VARCHAR", nullable=True),
        Column("placement", "VARCHAR", nullable=True),
        Column("position", "BIGINT", nullable=True, minimum=0),
        Column("policy", "VARCHAR", nullable=True),
        Column("propensity", "DOUBLE", nullable=True, minimum=0, maximum=1),
        Column("shown_at", "TIMESTAMP"),
        Column("clicked", "BOOLEAN", nullable=True),
        Column("converted", "BOOLEAN", nullable=True),
        Column("reward", "DOUBLE", nullable=True),
    ),
    key=("impression_id",),
    rules=(
        Rule(
            Code.NULL_VALUE,
            "item_id",
            "item_id IS NULL AND ad_id IS NULL",
            "neither an item nor an ad was shown",
        ),
    ),
)

CAMPAIGNS = Contract(
    table="campaigns",
    columns=(
        Column("campaign_id", "VARCHAR"),
        Column("item_id", "VARCHAR"),
        Column("kind", "VARCHAR", nullable=True),
        Column("starts_on", "TIMESTAMP", may_be_ahead=True),
        Column("ends_on", "TIMESTAMP", may_be_ahead=True),
    ),
    key=("campaign_id", "item_id"),
    rules=(Rule(Code.NOT_ALLOWED, "ends_on", "ends_on < starts_on", "before starts_on"),),
)

REVIEWS = Contract(
    table="reviews",
    columns=(
        Column("user_id", "VARCHAR"),
        Column("item_id", "VARCHAR"),
        Column("rating", "DOUBLE"),
        Column("text", "VARCHAR", nullable=True),
        Column("reviewed_at", "TIMESTAMP"),
    ),
    key=("user_id", "item_id", "reviewed_at"),
)

CONTRACTS = (USERS, ITEMS, EVENTS, IMPRESSIONS, CAMPAIGNS, REVIEWS)
