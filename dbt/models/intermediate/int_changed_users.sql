select user_id from {{ ref('int_events') }}
where event_at >= {{ first_change() }}
{%- if keeps_rows() %}
union
select user_id from {{ previous('int_events') }}
where event_at >= {{ first_change() }}
{%- else %}
group by user_id
{%- endif %}
