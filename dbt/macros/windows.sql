{#
    Aggregates over the days before `feature_at`.

    Each reads events joined with feature times on `event_at < feature_at`, which excludes feature leakage.
    Sums are of DECIMAL, so that the order of addition doesn't change the result.
#}

{#- Whether the event is in the last `days` days before feature_at. -#}
{% macro within(days, at="event_at") -%}
    {{ at }} >= feature_at - interval '{{ days }} days'
{%- endmacro %}

{#- `aggregate`, such as sum(value), over the last `days` days; 0 without events. -#}
{% macro windowed(aggregate, days) -%}
    coalesce({{ aggregate }} filter (where {{ within(days) }}), 0)
{%- endmacro %}

{#-
    Number of distinct values in the last `days` days, without a hash table per window: a value is counted at
    its first event in the window, whose previous event, `previous_at`, is before the window or null.
-#}
{% macro windowed_distinct(previous_at, days) -%}
    count(*) filter (
        where {{ within(days) }} and not coalesce({{ within(days, previous_at) }}, false)
    )
{%- endmacro %}

{#-
    Sum of `amount`, with exponential decay: halved for every `half_life` days up to feature_at. `times`: how often
    the row counts.
-#}
{% macro decayed(amount, half_life, times=none) -%}
    sum(
        cast(
            {{ amount }} * pow(0.5, date_diff('second', event_at, feature_at) / 86400.0 / {{ half_life }})
            as decimal(18, 9)
        ){{ " * " ~ times if times }}
    )
{%- endmacro %}

{#-
    The first feature time after an event. A period is the time between two feature times; its counts apply to
    every later feature time.
-#}
{% macro period_end(at="event_at") -%}
    least({{ grid_time(at) }} + interval '{{ var("feature_interval_days") }} days', {{ as_of() }})
{%- endmacro %}

{#- The last time on the grid of feature times that is not after a time; of weeks, with 7 days. -#}
{% macro grid_time(at, days=none) -%}
    {%- set start, days = "timestamp '" ~ var("feature_grid_start") ~ "'", days or var("feature_interval_days") -%}
    {{ start }} + to_days(
        cast(floor(date_diff('day', {{ start }}, {{ at }}) / {{ days }}.0) * {{ days }} as integer)
    )
{%- endmacro %}

{#- The last time on the grid that is not after the beginning of the history of features. -#}
{% macro history_start(as_of) -%}
    {{ grid_time(as_of ~ " - interval '" ~ var("feature_history_days") ~ " days'") }}
{%- endmacro %}

{#- A sum over a period, decayed to feature_at: multiplied by `by` for every half-life since. -#}
{% macro aged(sum, by) -%}
    cast(
        {{ sum }} * pow(
            {{ by }}, date_diff('day', period_end, feature_at) / {{ var('portrait_half_life_days') }}
        ) as decimal(18, 9)
    )
{%- endmacro %}

{#- The end of an event's week; a feature time ends a week too. -#}
{% macro week_end(at) -%}
    {{ grid_time(at, 7) }} + interval '7 days'
{%- endmacro %}
