{{ config(kept=kept("feature_times")) }}

with

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
    from {{ ref('int_price_periods') }} as periods
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
