{{ config(kept=kept("periods")) }}

{#- Prices are compared within a period between two feature times, which excludes feature leakage. -#}

with

purchases as (
    select
        *,
        {{ period_end() }} as period_end
    from {{ ref('int_purchases') }}
    {%- if keeps_rows() %}
    where event_at >= {{ grid_time(first_change()) }}
    {%- endif %}
),

baskets as (
    select
        user_id,
        period_end,
        category_3,
        sum(value) as value,
        sum(quantity) as quantity,
        sum(discount) as discount,
        sum(coupon_discount) as coupon_discount,
        sum(value) filter (where is_private_label) as private_label_value,
        sum(value) filter (where is_private_label is not null) as labelled_value,
        count(*) filter (where discount > 0) as discounted_lines,
        count(discount) as lines_with_discount_known
    from purchases
    group by user_id, period_end, category_3
),

-- the value of each basket at the mean price of its category in the period
compared as (
    select
        *,
        cast(
            quantity * (
                sum(value) over (partition by category_3, period_end)
                / nullif(sum(quantity) over (partition by category_3, period_end), 0)
            ) as decimal(38, 4)
        ) as value_at_mean_price
    from baskets
)

select
    user_id,
    period_end,
    sum(value) as value,
    sum(quantity) as quantity,
    sum(discount) as discount,
    sum(coupon_discount) as coupon_discount,
    sum(private_label_value) as private_label_value,
    sum(labelled_value) as labelled_value,
    sum(discounted_lines) as discounted_lines,
    sum(lines_with_discount_known) as lines_with_discount_known,
    sum(value) filter (where category_3 is not null) as compared_value,
    sum(value_at_mean_price) filter (where category_3 is not null) as value_at_mean_price
from compared
group by user_id, period_end
