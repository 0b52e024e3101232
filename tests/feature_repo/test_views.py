"""Feature views are derived from dbt's manifest."""

from pathlib import Path
from typing import Any

import pytest
from feature_home import column, edit_manifest, write_snapshot

from feature_repo.definitions import Definitions, definitions
from penchant.artifacts import Snapshot
from penchant.errors import DataError
from penchant.manifest import read_marts
from penchant.settings import Settings

SNAPSHOT = "s-20180102-00000000000a"


@pytest.fixture
def folder(settings: Settings) -> Path:
    return write_snapshot(settings, SNAPSHOT)


def defined(settings: Settings) -> Definitions:
    return definitions(Snapshot.open(settings, SNAPSHOT))


def edit_columns(folder: Path, mart: str, *columns: dict[str, Any]) -> None:
    def change(nodes: dict[str, Any]) -> None:
        nodes[f"model.penchant.{mart}"]["columns"].update({each["name"]: each for each in columns})

    edit_manifest(folder, change)


def edit_view(folder: Path, mart: str, **meta: Any) -> None:
    def change(nodes: dict[str, Any]) -> None:
        nodes[f"model.penchant.{mart}"]["config"]["meta"]["feature_view"].update(meta)

    edit_manifest(folder, change)


def test_view_has_columns_types_and_descriptions_of_its_mart(
    settings: Settings, folder: Path
) -> None:
    view = {view.name: view for view in defined(settings).views}["user_statistics"]
    assert {field.name: str(field.dtype) for field in view.features} == {
        "orders_28d": "Int64",
        "spend_28d": "Float64",
        "is_new": "Bool",
        "last_seen_at": "UnixTimestamp",
    }, "the key and the timestamp are no features, and `online: false` keeps `secret` out"
    assert [field.name for field in view.entity_columns] == ["user_id"]
    assert view.ttl is not None and view.ttl.days == 60
    assert view.owner == "analysts"
    assert view.description == "One row for each user_id and feature_at."
    assert view.tags["pii"] == "none", (
        "a column with `online: false` does not affect the class of the view"
    )
    assert view.features[0].description


def test_views_equal_the_manifest_of_the_dbt_project(checked_home: Settings) -> None:
    snapshot = Snapshot.live(checked_home)
    views = {view.name: view for view in definitions(snapshot).views}
    marts = [mart for mart in read_marts(snapshot.manifest) if mart.folder == "features"]
    assert views.keys() == {mart.name for mart in marts}
    for mart in marts:
        hidden = {column.name for column in mart.columns if not column.meta.get("online", True)}
        fields = {field.name for field in views[mart.name].schema}
        assert fields == {c.name for c in mart.columns} - hidden - {"feature_at"}, mart.name


def test_column_added_to_the_manifest_becomes_a_feature(settings: Settings, folder: Path) -> None:
    edit_columns(folder, "user_affinities", column("visits", "BIGINT[]", pii="direct"))
    view = {view.name: view for view in defined(settings).views}["user_affinities"]
    assert "visits" in {field.name for field in view.features}
    assert view.tags["pii"] == "direct"


def test_unsupported_type_error_names_mart_and_column(settings: Settings, folder: Path) -> None:
    edit_columns(folder, "user_affinities", column("paid", "DECIMAL(18,2)"))
    with pytest.raises(DataError, match=r"user_affinities, column paid.*DECIMAL.*\n.*DOUBLE"):
        defined(settings)


def test_services_contain_the_views_that_name_them(settings: Settings, folder: Path) -> None:
    services = {
        service.name: [projection.name for projection in service.feature_view_projections]
        for service in defined(settings).services
    }
    assert services == {
        "ranking": ["user_category_statistics"],
        "portrait": ["user_affinities", "user_statistics"],
        "response": ["user_affinities", "user_statistics"],
    }


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"services": ["chat"]}, "unknown feature service 'chat'"),
        ({"entities": ["shop"]}, "unknown entity 'shop'"),
        ({"online": False}, "online: false`, but in the services"),
    ],
)
def test_rejects_invalid_feature_view_description(
    settings: Settings, folder: Path, meta: dict[str, Any], message: str
) -> None:
    edit_view(folder, "user_affinities", **meta)
    with pytest.raises(DataError, match=message):
        defined(settings)


def test_rejects_duplicate_feature_names_in_a_service(settings: Settings, folder: Path) -> None:
    edit_columns(folder, "user_affinities", column("spend_28d", "DOUBLE"))
    with pytest.raises(DataError, match="has spend_28d twice"):
        defined(settings)
