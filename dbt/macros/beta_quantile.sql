{#-
    The quantile of a beta distribution whose normal deviate is `z`, -1.645 for 5 % and 1.645 for 95 %.

    A beta variate is G / (G + H) of two gamma variates, of shapes a and b. The cube root of a gamma of
    shape k is nearly normal around (1 - 1 / 9k) k^(1/3) with variance 1 / 9k of it (Wilson & Hilferty
    1931). So G / H is below x where one normal is below the cube root of x b / a times another, and
    solving that for x is a quadratic (Paulson 1942). With a >= 0.1 the interval from 5 % to 95 % has a true
    probability of 0.90 to 0.96. It is accurate if `a` is the smaller shape; otherwise the quantile of 1 minus
    the variate is taken. 1 / 9b is limited to 0.15, so that the quadratic has a root.
-#}
{% macro beta_quantile(a, b, z) -%}
    case
        when {{ a }} <= {{ b }} then {{ _lower_beta_quantile(a, b, z) }}
        else 1 - {{ _lower_beta_quantile(b, a, -z) }}
    end
{%- endmacro %}

{% macro _lower_beta_quantile(a, b, z) -%}
    {%- set g, h = "(1 / (9 * (" ~ a ~ ")))", "least(1 / (9 * (" ~ b ~ ")), 0.15)" -%}
    (1 - 1 / (1 + (({{ a }}) / ({{ b }})) * pow(greatest(0, (
        (1 - {{ g }}) * (1 - {{ h }})
        + ({{ z }}) * sqrt(greatest(
            0, {{ g }} * pow(1 - {{ h }}, 2) + {{ h }} * pow(1 - {{ g }}, 2) - pow({{ z }}, 2) * {{ g }} * {{ h }}
        ))
    ) / (pow(1 - {{ h }}, 2) - pow({{ z }}, 2) * {{ h }})), 3)))
{%- endmacro %}
