{#- As `int_first_change`, for rows about ads; `-infinity` if what was known of ads before it differs. -#}
{%- set impressions = "user_id, ad_id, shown_at, clicked, converted" -%}

{%- if keeps_rows() %}
with

differences as (
    select user_id as differing_id
    from ({{ differing(ref("int_impressions"), impressions, "where shown_at < " ~ first_change()) }})
    union all
    select campaign_id as differing_id
    from ({{ differing(ref("int_campaigns"), "campaign_id, item_id, kind, starts_on, ends_on") }})
    union all
    select user_id as differing_id
    from ({{ differing(ref("int_excluded_users"), "user_id") }})
)

select
    case
        when exists (select differing_id from differences) then timestamp '-infinity'
        else {{ first_change() }}
    end as differs_from
{%- else %}
select timestamp '-infinity' as differs_from
{%- endif %}
