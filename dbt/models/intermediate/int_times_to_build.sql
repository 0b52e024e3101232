{{ config(materialized="view") }}

select feature_at from {{ ref('int_feature_times') }}
where feature_at > {{ first_change() }}
