"""Families and their configs by name: each is a module of ``training/families``."""

import importlib
import json
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter

from penchant.errors import UsageError
from training.fitting.family import Family, Ranker
from training.names import check_name


def make(name: str, config: object) -> Family:
    """An unfitted family."""
    return _module(name).Model(config)


def make_ranker(name: str, config: object) -> Ranker:
    """An unfitted family. Raises UsageError for one that does not rank."""
    family = make(name, config)
    if not isinstance(family, Ranker):
        raise UsageError(f"{name} does not rank items", "use a family that does")
    return family


def default_config(name: str) -> Any:
    """The config of the family's run in the main job."""
    return _module(name).Config()


def config_to_json(config: Any) -> bytes:
    return json.dumps(asdict(config)).encode()


def config_from_json(name: str, content: bytes) -> Any:
    """The config of a family from its JSON."""
    return TypeAdapter(_module(name).Config).validate_json(content)


def _module(name: str) -> Any:
    check_name(name)
    return importlib.import_module(f"training.families.{name}")
