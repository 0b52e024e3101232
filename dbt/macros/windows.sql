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

{#-
    The first feature time, seen from `as_of` back, that an event is before. Between two of them lies a
    period, so that what was counted in it is counted for every feature time after it.
-#}
{% macro period_end(at="event_at") -%}
    {%- set days_before = "date_diff('day', " ~ at ~ ", " ~ as_of() ~ ") - 1" -%}
    {{ as_of() }} - to_days(
        cast(
            ({{ days_before }}) // {{ var('feature_interval_days') }} * {{ var('feature_interval_days') }} as integer
        )
    )
{%- endmacro %}

{#- A sum over a period as it counts at feature_at, shrunk to `by` of it for every half-life since. -#}
{% macro aged(sum, by) -%}
    cast(
        {{ sum }} * pow(
            {{ by }}, date_diff('day', period_end, feature_at) / {{ var('portrait_half_life_days') }}
        ) as decimal(18, 9)
    )
{%- endmacro %}
