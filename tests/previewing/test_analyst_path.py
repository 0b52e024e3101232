"""The analyst's path: edit two files, preview, promote, read the feature over HTTP."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.errors import DataError, PenchantError
from penchant.manifest import COLUMN_META, FEATURE_VIEW_META
from penchant.previewing import shown
from penchant.previewing.preview import preview
from penchant.previewing.promote import promote
from penchant.releases.model_file import ranking_model_in
from penchant.settings import PROJECT_ROOT, Settings
from training.commands.compare_features import Change, FeatureComparison
from training.commands.compare_responses import ResponseComparison
from training.commands.train import train
from training.evaluation.metrics.intervals import Interval

KEYS = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)  # the first cell of a row
LAST = "as days_since_last_order\n"
PER_ORDER = """as days_since_last_order,
    round(coalesce(statistics.spend_28d / nullif(statistics.orders_28d, 0), 0), 2)::double
        as spend_per_order_28d
"""
NEXT = """as days_since_last_order,
    coalesce((
        select sum(later.value) from {{ ref('int_purchases') }} as later
        where
            later.user_id = users.user_id
            and later.event_at >= users.feature_at
            and later.event_at < users.feature_at + interval 28 days
    ), 0)::double as spend_next_28d
"""
DESCRIBED = "      - {{name: {name}, data_type: double, description: An edit.}}\n"


def edited(home: Settings, folder: Path, sql: str, column: str) -> Settings:
    """The home with an edited copy of the dbt project."""
    project = folder / column
    shutil.copytree(home.dbt_project, project, ignore=shutil.ignore_patterns("target", "logs"))
    mart = project / "models" / "marts" / "features" / "user_statistics"
    text = mart.with_suffix(".sql").read_text()
    mart.with_suffix(".sql").write_text(text.replace(LAST, sql))
    described = mart.with_suffix(".yml").read_text()
    line = DESCRIBED.format(name=column) + "\nunit_tests:"
    mart.with_suffix(".yml").write_text(described.replace("\nunit_tests:", line, 1))
    return home.model_copy(update={"dbt_project": project})


@pytest.mark.long
def test_an_edit_is_previewed_promoted_and_read(checked_home: Settings, tmp_path: Path) -> None:
    live = checked_home.live_snapshot.current()
    home = edited(checked_home, tmp_path, PER_ORDER, "spend_per_order_28d")
    described = home.dbt_project / "models" / "marts" / "features" / "user_statistics.yml"
    right = described.read_text()
    described.write_text(right.replace("name: spend_per_order_28d", "name: spend_of_order"))
    with pytest.raises(PenchantError, match="column spend_per_order_28d is in the SQL and not in"):
        preview(home)
    described.write_text(right.replace("An edit.}", "An edit., config: {meta: {max: 1}}}"))
    [failure] = [one for one in preview(home).failures if "(critical)" in one]
    assert failure.startswith("user_statistics: ") and "spend_per_order_28d" in failure
    described.write_text(right)

    found = preview(home)
    assert found.edit.changed == {"user_statistics": "SQL and YAML"}
    assert "feature_service_ranking" in found.edit.exposures
    [change] = [one for one in found.marts if not one.is_equal]
    assert (change.mart, change.added, change.removed, change.changed) == (
        "user_statistics",
        0,
        0,
        0,
    )
    assert [(one.column, one.what) for one in change.columns] == [
        ("spend_per_order_28d", "appears")
    ]
    assert not [failure for failure in found.failures if "(critical)" in failure]
    lines = shown.text(found).splitlines()
    assert "user_statistics: SQL and YAML edited" in lines
    assert lines[-1] == "nothing is live yet: `penchant promote` makes it so"
    assert "  NDCG@10 " in shown.text(found) and isinstance(found.refit, FeatureComparison)
    assert isinstance(found.responses, ResponseComparison)
    assert set(found.responses.figures) == {"log loss of responses", "squared error of uplift"}
    page = shown.page(found)
    assert all(name in page for name in ("spend_per_order_28d", "NDCG@10", "log loss of resp"))
    assert home.live_snapshot.current() == live

    promoted = promote(home)
    assert (promoted.before, home.live_snapshot.current()) == (live, promoted.snapshot_id)
    body = {
        "features": ["user_statistics:spend_per_order_28d", "user_statistics:spend_28d"],
        "entities": {"user_id": ["u00001"]},
    }
    answer = TestClient(create_app(home)).post("/get-online-features", json=body)
    names = answer.json()["metadata"]["feature_names"]
    values = dict(zip(names, (one["values"][0] for one in answer.json()["results"]), strict=True))
    assert values["spend_28d"] >= values["spend_per_order_28d"] >= 0

    train(home, promoted.snapshot_id, "lambdamart")
    [run] = (home.runs / promoted.snapshot_id).glob("lambdamart-*")
    assert "user_statistics__spend_per_order_28d" in ranking_model_in(run).importance

    knowing = edited(checked_home, tmp_path, NEXT, "spend_next_28d")
    with pytest.raises(DataError, match=r"user_statistics\.spend_next_28d: \d+ rows, such as u0"):
        promote(knowing)
    assert home.live_snapshot.current() == promoted.snapshot_id


def test_refit_is_shown_with_its_interval_or_why_there_is_none() -> None:
    from penchant.previewing.changes import Edit
    from penchant.previewing.preview import Preview

    ndcg = Change(0.1, 0.12, Interval(0.02, -0.001, 0.04))
    refit = FeatureComparison(1200, ndcg, None, 3.5)
    edit = Edit({"m": "SQL"}, (), (), {})
    found = Preview("s-1", edit, (), {}, (), 0, refit)
    for shows in (shown.text(found), shown.page(found)):
        assert "1,200 users of the validation window (3.5 s)" in shows
        assert "NDCG@10 0.1000 -&gt; 0.1200: +0.0200 [-0.0010, +0.0400]" in shows.replace(
            " -> ", " -&gt; "
        )
    assert "no refit: items" in shown.text(replace(found, refit="no refit: items changes"))
    responses = ResponseComparison({"log loss of responses": ndcg}, ("no squared error",), 2.5)
    text = shown.text(replace(found, responses=responses))
    assert "  log loss of responses 0.1000 -> 0.1200: +0.0200 [-0.0010, +0.0400]" in text
    assert "no squared error" in text
    assert "no refit of ads" in shown.text(replace(found, responses="no refit of ads"))


def test_text_of_a_preview_without_an_edit_says_so() -> None:
    from penchant.previewing.changes import Edit
    from penchant.previewing.preview import Preview

    nothing = Preview("s-1", Edit({}, (), (), {}), (), {}, (), 0)
    assert shown.text(nothing).startswith("nothing that is built differs")
    failing = replace(
        nothing, edit=Edit({"m": "SQL"}, (), (), {}), failures=("m: x: y (critical)",)
    )
    assert shown.text(failing).splitlines()[-1] == "nothing is live yet: fix what would fail"
    assert failing.would_fail and not nothing.would_fail


def test_command_ends_with_65_if_a_check_would_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from penchant.cli import app
    from penchant.previewing import preview as previewing
    from penchant.previewing.changes import Edit

    monkeypatch.setenv("PENCHANT_HOME", str(tmp_path))
    edit = Edit({"m": "SQL"}, (), (), {})
    for failures, status in ((("m: x: y (critical)",), 65), (("m: x: y (warning)",), 0)):
        found = previewing.Preview("s-1", edit, (), {}, failures, 0)
        monkeypatch.setattr(previewing, "preview", lambda settings, found=found: found)
        assert CliRunner().invoke(app, ["preview"]).exit_code == status
        assert "m: x: y" in (tmp_path / "site" / "preview" / "index.html").read_text()


def test_workflow_of_a_branch_previews_a_copy_of_the_home(settings: Settings) -> None:
    workflow = yaml.safe_load((PROJECT_ROOT / "docs/examples/preview-workflow.yml").read_text())
    steps = {step["name"]: step for step in workflow["jobs"]["preview"]["steps"] if "name" in step}
    read = (settings.landing, settings.snapshots, settings.warehouse.parent, settings.privacy)
    names = " ".join(folder.relative_to(settings.home).as_posix() for folder in read)
    assert f"cp -a --reflink=auto {names} " in steps["Copy what the preview reads"]["run"]
    assert ".venv/bin/penchant preview |" in steps["Preview"]["run"]
    page = (settings.site / "preview").relative_to(settings.home)
    assert steps["Keep the page"]["with"]["path"].endswith(f"/{page}")


def test_tutorial_names_every_meta_key_and_no_other() -> None:
    page = (PROJECT_ROOT / "docs" / "analysts.md").read_text()
    of_column, of_view = (
        {key for row in KEYS.findall(table) for key in re.findall(r"`(\w+)`", row)}
        for table in page.split("| key under ")[1:]
    )
    assert of_column == COLUMN_META and of_view == FEATURE_VIEW_META
