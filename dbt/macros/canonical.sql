{#
    The canonical tables: the columns that every source maps to, with the types they have between
    staging and marts. Money is DECIMAL there. Columns after the contract's own are for features only.
#}
{% macro canonical_columns(table) %}
    {%- set columns = {
        "users": {
            "user_id": "varchar", "first_seen_at": "timestamp", "age_band": "varchar",
            "income_band": "varchar", "household_size": "varchar", "household_composition": "varchar",
            "home_ownership": "varchar", "marital_status": "varchar", "kids_count": "varchar",
        },
        "items": {
            "item_id": "varchar", "title": "varchar", "description": "varchar",
            "category_1": "varchar", "category_2": "varchar", "category_3": "varchar",
            "brand": "varchar", "price": "decimal(18, 4)", "first_seen_at": "timestamp",
            "is_merchandise": "boolean", "is_private_label": "boolean",
        },
        "events": {
            "event_id": "varchar", "user_id": "varchar", "session_id": "varchar", "item_id": "varchar",
            "event_type": "varchar", "quantity": "bigint", "value": "decimal(18, 4)",
            "query": "varchar", "event_at": "timestamp", "ingested_at": "timestamp",
            "discount": "decimal(18, 4)", "coupon_discount": "decimal(18, 4)",
        },
        "impressions": {
            "impression_id": "varchar", "user_id": "varchar", "item_id": "varchar", "ad_id": "varchar",
            "placement": "varchar", "position": "bigint", "policy": "varchar", "propensity": "double",
            "shown_at": "timestamp", "clicked": "boolean", "converted": "boolean",
            "reward": "decimal(18, 4)", "slate_id": "varchar", "context": "varchar",
            "release_id": "varchar", "settled_at": "timestamp",
        },
        "propensities": {
            "slate_id": "varchar", "position": "bigint", "candidate_id": "varchar",
            "propensity": "double", "rank": "bigint",
        },
        "outcomes": {
            "event_id": "varchar", "impression_id": "varchar", "user_id": "varchar",
            "event_type": "varchar", "value": "decimal(18, 4)", "event_at": "timestamp",
            "received_at": "timestamp", "shown_at": "timestamp", "copies": "bigint",
            "status": "varchar",
        },
        "campaigns": {
            "campaign_id": "varchar", "item_id": "varchar", "kind": "varchar", "starts_on": "date",
            "ends_on": "date",
        },
        "reviews": {
            "user_id": "varchar", "item_id": "varchar", "rating": "double", "text": "varchar",
            "reviewed_at": "timestamp",
        },
        "promotions": {"item_id": "varchar", "starts_at": "timestamp", "store_weeks": "bigint"},
    } -%}
    {{ return(columns[table]) }}
{% endmacro %}

{#- All rows of a canonical table, of every source that landed; no rows where none has the table. -#}
{% macro union_of_sources(table) -%}
    {%- set columns = canonical_columns(table) -%}
    select
    {%- for name, type in columns.items() %}
        cast(null as {{ type }}) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
    where false
    {%- for source in var("sources") if source in var("canonical_models")[table] %}
    union all by name
    select * from {{ ref(var("canonical_models")[table][source]) }}
    {%- endfor %}
{%- endmacro %}
