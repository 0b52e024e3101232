{#
    Aggregates over the days before `feature_at`.

    Each reads rows of events joined with feature times on `event_at < feature_at`, so that nothing of
    the future is in them. Sums are of DECIMAL, so that no order of adding changes a digit.
#}

{#- The row is of the last `days` days before feature_at; its event is not older than that. -#}
{% macro within(days, at="event_at") -%}
    {{ at }} >= feature_at - interval '{{ days }} days'
{%- endmacro %}

{#- `aggregate`, such as sum(value), over the last `days` days; 0 where nothing happened. -#}
{% macro windowed(aggregate, days) -%}
    coalesce({{ aggregate }} filter (where {{ within(days) }}), 0)
{%- endmacro %}

{#-
    How many different things there are in the last `days` days, without a hash table for each window:
    a thing is counted at its first event in the window, which is the one whose previous event,
    `previous_at`, is before the window or is not at all.
-#}
{% macro windowed_distinct(previous_at, days) -%}
    count(*) filter (
        where {{ within(days) }} and not coalesce({{ within(days, previous_at) }}, false)
    )
{%- endmacro %}

{#- Sum of `amount`, each halved for every `half_life` days between its event and feature_at. -#}
{% macro decayed(amount, half_life) -%}
    sum(
        cast(
            {{ amount }} * pow(0.5, date_diff('second', event_at, feature_at) / 86400.0 / {{ half_life }})
            as decimal(18, 9)
        )
    )
{%- endmacro %}
