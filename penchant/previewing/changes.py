"""Which models an edit changes, by the manifests of dbt before and after."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penchant.building.project import said_sql

DESCRIBED = ("data_type", "constraints")


@dataclass(frozen=True)
class Edit:
    """``changed``: model → what was edited. ``removed``: models. ``children``: models that read a
    changed one. ``exposures``: name → the changed models and children that it depends on."""

    changed: dict[str, str]
    removed: tuple[str, ...]
    children: tuple[str, ...]
    exposures: dict[str, tuple[str, ...]]

    def __bool__(self) -> bool:
        return bool(self.changed or self.removed)


def find_edit(before: Path, after: Path) -> Edit:
    """Compare two ``manifest.json``. Comments, formatting and descriptions change nothing."""
    old, new = json.loads(before.read_text()), json.loads(after.read_text())
    old_models, new_models = _models(old), _models(new)
    changed = {
        model["name"]: what
        for name, model in new_models.items()
        if (what := _difference(old, new, old_models.get(name), model))
    }
    ids = [identity for identity, model in new_models.items() if model["name"] in changed]
    affected = _with_children(new, ids)
    exposures = {
        exposure["name"]: tuple(
            sorted(
                new_models[parent]["name"]
                for parent in exposure["depends_on"]["nodes"]
                if parent in affected
            )
        )
        for exposure in new.get("exposures", {}).values()
    }
    names = {new_models[identity]["name"] for identity in affected if identity in new_models}
    return Edit(
        changed=changed,
        removed=tuple(sorted(old_models[name]["name"] for name in old_models.keys() - new_models)),
        children=tuple(sorted(names - changed.keys())),
        exposures={name: models for name, models in sorted(exposures.items()) if models},
    )


def _models(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        identity: node
        for identity, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
    }


def _difference(
    old: dict[str, Any], new: dict[str, Any], before: dict[str, Any] | None, after: dict[str, Any]
) -> str:
    """What was edited; empty for nothing."""
    if before is None:
        return "new"
    found = []
    if said_sql(before["raw_code"]) != said_sql(after["raw_code"]):
        found.append("SQL")
    if _described(before) != _described(after):
        found.append("YAML")
    if _macros(old, before) != _macros(new, after):
        found.append("a macro")
    return " and ".join(found)


def _described(model: dict[str, Any]) -> list[Any]:
    columns = [
        [name, *(column[key] for key in DESCRIBED), column["config"]["meta"] or column["meta"]]
        for name, column in model["columns"].items()
    ]
    return [columns, model["constraints"], model["config"]["meta"], model["config"]["materialized"]]


def _macros(manifest: dict[str, Any], model: dict[str, Any]) -> dict[str, str]:
    """The SQL of the macros that a model uses, and of those that they use."""
    found: dict[str, str] = {}
    waiting = list(model["depends_on"]["macros"])
    while waiting:
        name = waiting.pop()
        if name.startswith("macro.penchant.") and name not in found:
            macro = manifest["macros"][name]
            found[name] = said_sql(macro["macro_sql"])
            waiting += macro["depends_on"]["macros"]
    return found


def _with_children(manifest: dict[str, Any], models: list[str]) -> set[str]:
    """Models and all that read them."""
    found: set[str] = set()
    waiting = list(models)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [
                child for child in manifest["child_map"].get(name, ()) if child.startswith("model.")
            ]
    return found
