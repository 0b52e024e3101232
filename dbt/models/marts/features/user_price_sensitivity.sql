{{ config(kept=kept("feature_times")) }}

{#- Prices are compared within a period between two feature times, which excludes feature leakage. -#}

with

purchases as (
    select
        *,
        {{ period_end() }} as period_end
    from {{ ref('int_purchases') }}
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
),

periods as (
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
),

summed as (
    select
        periods.user_id,
        times.feature_at,
        sum(discount) / nullif(sum(value) + sum(discount), 0) as discount_share,
        sum(coupon_discount) / nullif(sum(value) + sum(discount), 0) as coupon_share,
        sum(discounted_lines) / nullif(sum(lines_with_discount_known), 0) as discounted_line_share,
        coalesce(sum(private_label_value), 0) / nullif(sum(labelled_value), 0) as private_label_share,
        sum(compared_value) / nullif(sum(value_at_mean_price), 0) as relative_price,
        sum(value) / nullif(sum(quantity), 0) as mean_unit_price
    from periods
    inner join {{ ref('int_times_to_build') }} as times
        on
            periods.period_end <= times.feature_at
            and periods.period_end > times.feature_at - interval '364 days'
    group by periods.user_id, times.feature_at
)

select
    users.user_id,
    users.feature_at,
    summed.discount_share,
    summed.coupon_share,
    summed.discounted_line_share,
    summed.private_label_share,
    summed.relative_price,
    summed.mean_unit_price
from {{ ref('int_user_times') }} as users
left join summed
    on users.user_id = summed.user_id and users.feature_at = summed.feature_at
order by users.user_id, users.feature_at
