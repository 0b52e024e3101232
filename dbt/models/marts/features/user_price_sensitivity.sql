with

baskets as (
    select
        purchases.user_id,
        times.feature_at,
        purchases.category_3,
        sum(purchases.value) as value,
        sum(purchases.quantity) as quantity,
        sum(purchases.discount) as discount,
        sum(purchases.coupon_discount) as coupon_discount,
        sum(purchases.value) filter (where purchases.is_private_label) as private_label_value,
        sum(purchases.value) filter (where purchases.is_private_label is not null) as labelled_value,
        count(*) filter (where purchases.discount > 0) as discounted_lines,
        count(purchases.discount) as lines_with_discount_known
    from {{ ref('int_purchases') }} as purchases
    inner join {{ ref('int_feature_times') }} as times
        on
            purchases.event_at < times.feature_at
            and {{ within(364) }}
    group by purchases.user_id, times.feature_at, purchases.category_3
),

-- what the quantity of each basket would have cost at the mean price of all who bought in the category
compared as (
    select
        *,
        cast(
            quantity * (
                sum(value) over (partition by category_3, feature_at)
                / nullif(sum(quantity) over (partition by category_3, feature_at), 0)
            ) as decimal(18, 4)
        ) as value_at_mean_price
    from baskets
),

summed as (
    select
        user_id,
        feature_at,
        sum(discount) / nullif(sum(value) + sum(discount), 0) as discount_share,
        sum(coupon_discount) / nullif(sum(value) + sum(discount), 0) as coupon_share,
        sum(discounted_lines) / nullif(sum(lines_with_discount_known), 0) as discounted_line_share,
        coalesce(sum(private_label_value), 0) / nullif(sum(labelled_value), 0) as private_label_share,
        sum(value) filter (where category_3 is not null)
        / nullif(sum(value_at_mean_price) filter (where category_3 is not null), 0) as relative_price,
        sum(value) / nullif(sum(quantity), 0) as mean_unit_price
    from compared
    group by user_id, feature_at
)

select
    users.user_id,
    users.feature_at,
    cast(summed.discount_share as double) as discount_share,
    cast(summed.coupon_share as double) as coupon_share,
    cast(summed.discounted_line_share as double) as discounted_line_share,
    cast(summed.private_label_share as double) as private_label_share,
    cast(summed.relative_price as double) as relative_price,
    cast(summed.mean_unit_price as double) as mean_unit_price
from {{ ref('int_user_times') }} as users
left join summed
    on users.user_id = summed.user_id and users.feature_at = summed.feature_at
order by users.user_id, users.feature_at
