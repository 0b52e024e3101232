{#- The sessions whose interactions may differ from those of the previous build: a return cancels a
    purchase before it. -#}
{%- set hours = given("interaction_cancelled_within_hours") or 0 -%}
{%- set since = first_change() ~ " - interval '" ~ hours ~ " hours'" %}

{%- set session = given("interaction_session") or "session_id" %}

select
    user_id,
    {{ session }} as session_id
from {{ ref('int_events') }}
{%- if keeps_rows() %}
where
    event_at >= {{ since }}
    -- users whom nothing was learned from before
    or user_id in (
        select user_id from {{ previous('int_excluded_users') }}
        except
        select user_id from {{ ref('int_excluded_users') }}
    )
union
select
    user_id,
    {{ session }} as session_id
from {{ previous('int_events') }}
where event_at >= {{ since }}
{%- else %}
where false
{%- endif %}
