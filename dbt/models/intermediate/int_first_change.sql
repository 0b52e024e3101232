{#-
    The time from which on the data differs from that of the previous build; `-infinity` without one. An item that
    changed differs since its first event, a user since it was first seen, also one who is found to be a bot.
-#}
{%- set events, items = ref("int_events"), ref("int_items") -%}
{%- set users, promotions = ref("int_users"), ref("int_promotions") -%}
{%- set excluded = ref("int_excluded_users") -%}
{#- without what depends on when a file landed: it is in no row that is kept -#}
{%- set event = canonical_table("events")["columns"] | reject("in", ["ingested_at"]) | join(", ") -%}
{%- set item = "item_id, category_1, category_2, category_3, brand, is_merchandise, is_private_label" -%}
{%- set promoted = "starts_at, " ~ fingerprint("item_id, store_weeks") -%}

{%- if keeps_rows() %}
with

changed_items as (
    {{ differing(items, item) }}
),

differences as (
    select cast(day as timestamp) as differs_from
    from ({{ differing(events, "cast(event_at as date) as day, " ~ fingerprint(event), "group by day") }})
    union all
    select min(event_at) as differs_from
    from {{ events }}
    where item_id in (select item_id from changed_items)
    union all
    select first_seen_at as differs_from
    from ({{ differing(users, "user_id, first_seen_at") }})
    union all
    select min(event_at) as differs_from
    from {{ events }}
    where user_id in (select user_id from ({{ differing(excluded, "user_id") }}))
    union all
    select starts_at as differs_from
    from ({{ differing(promotions, promoted, "group by starts_at") }})
    union all
    -- the rows as of the end of the data are not on the grid of feature times
    select as_of as differs_from from {{ previous("int_first_change") }}
    union all
    select {{ as_of() }} as differs_from
    union all
    -- feature times before those that the previous build has
    select timestamp '-infinity' as differs_from
    from {{ previous("int_first_change") }}
    where {{ history_start(as_of()) }} < {{ history_start("as_of") }}
)

select
    date_trunc('day', min(differs_from)) as differs_from,
    {{ as_of() }} as as_of
from differences
{%- else %}
select
    timestamp '-infinity' as differs_from,
    {{ as_of() }} as as_of
{%- endif %}
