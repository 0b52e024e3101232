"""Refresh what interests are used for beside recommendation.

## What it does

`forecast_demand`: `penchant forecast-demand` backtests forecasting methods by volume class,
forecasts the pieces of the next four weeks by item, category and shop, and makes the forecast the
one that the API serves. `penchant restock` lists what to order from it.

`predict_retention`: `penchant predict-retention` compares models of the return within 28 days and
of the spending of 90, predicts both for every user, and names the users who are fading.

`index_search`: `penchant index-search` indexes the texts of all items and selects how much
popularity, interests and earlier purchases count in the order of what is found.

`rank_audiences`: `penchant rank-audiences` learns from the first buyers of earlier new items, and
ranks users for each item that nobody bought, or that was first bought in the last four weeks.

`read_reviews`: `penchant read-reviews` learns sentiment from ratings, finds aspects and topics of
reviews and how they change, and indexes sentences as answers to questions.

`compare_competitors`: `penchant compare-competitors` matches competitors' items with ours, and
compares prices, assortment and what reviews say.

`plan_campaigns`: `penchant plan-campaigns` plans every brief in the folder `campaigns` of the home
that begins after the snapshot: which offers go to which users at which discount.

`land_predictions`: `penchant ingest --source insights` lands what the others found. It doesn't wait
for `plan_campaigns`, whose briefs people write: a plan that comes later lands the next time. It
triggers no build: the next `build_snapshot` makes the marts in `dbt/models/marts/insights` of it,
and with these the feature service `insights`.

## When it runs

After each `publish_vectors`, triggered by the Asset `release`, at a low priority: it must not slow
the way to a release down. It works on the live snapshot, and skips a first release, which is
published while families are trained.

## Rerun and backfill

Clear a task, or *Trigger* with `{"snapshot_id": "s-..."}`. A snapshot is worked on once; to repeat
it, remove the folder of the task below `insights/s-.../` in the home first.

## Troubleshooting

- `forecast_demand` skipped: the snapshot has less than 16 whole weeks of purchases.
- `predict_retention` skipped: less than 112 days of purchases, or less than 50 users.
- `index_search` skipped: the snapshot has no items.
- `rank_audiences` skipped: less than ten items were new in one of the last windows of four weeks.
- `read_reviews` skipped: no review has text.
- `compare_competitors` skipped: no competitor's catalogue has landed.
- `plan_campaigns` skipped: no brief is in the folder, none begins later, or none adds more than it
  costs; the log says why for each.
- `plan_campaigns` failed with *invalid arguments*: its message names the brief and the key. The
  other briefs are planned. Fix the file, clear the task.
- `land_predictions` skipped: nothing is published yet.
- *data rejected* by `predict_retention`: no user has bought twice.
- Any other failure: the result of the snapshot before stays published; its id is in the answers.
  Fix the cause in the log, clear the task.
"""

from airflow.sdk import DAG, TriggerRule

from dags.assets import RELEASE
from dags.command import Command
from dags.defaults import GROWS_WITH_DATA, LONGEST_RUN, TAGS
from dags.wakeups import SNAPSHOT_ID, SNAPSHOT_PARAMS, Latest

with DAG(
    dag_id="refresh_insights",
    doc_md=__doc__,
    description="Forecast demand and returns, index search, rank audiences, read reviews, plan",
    schedule=RELEASE,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=LONGEST_RUN,
    default_args=GROWS_WITH_DATA,
    tags=[*TAGS, "insights", "tier-3"],
    params=SNAPSHOT_PARAMS,
):
    latest = Latest(dag_id="refresh_insights")
    forecast_demand = Command(
        task_id="forecast_demand", subcommand=["forecast-demand", "--snapshot", SNAPSHOT_ID]
    )
    predict_retention = Command(
        task_id="predict_retention", subcommand=["predict-retention", "--snapshot", SNAPSHOT_ID]
    )
    index_search = Command(
        task_id="index_search", subcommand=["index-search", "--snapshot", SNAPSHOT_ID]
    )
    rank_audiences = Command(
        task_id="rank_audiences", subcommand=["rank-audiences", "--snapshot", SNAPSHOT_ID]
    )
    read_reviews = Command(
        task_id="read_reviews", subcommand=["read-reviews", "--snapshot", SNAPSHOT_ID]
    )
    compare_competitors = Command(
        task_id="compare_competitors", subcommand=["compare-competitors", "--snapshot", SNAPSHOT_ID]
    )
    plan_campaigns = Command(
        task_id="plan_campaigns", subcommand=["plan-campaigns", "--snapshot", SNAPSHOT_ID]
    )
    landed = [
        *(forecast_demand, predict_retention, rank_audiences),
        *(read_reviews, compare_competitors),
    ]
    latest >> [*landed, index_search, plan_campaigns]
    land_predictions = Command(
        task_id="land_predictions",
        subcommand=["ingest", "--source", "insights"],
        trigger_rule=TriggerRule.NONE_FAILED,
    )
    landed >> land_predictions
