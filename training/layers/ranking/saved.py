"""Parts of a ranking model as tensors: its feature tables and sources."""

import json
from dataclasses import asdict

import torch
from pydantic import TypeAdapter

from penchant.ranking.features import FeatureColumn
from penchant.ranking.service_columns import ServiceView
from training.data.feature_history import Entities, FeatureTables, ViewTable
from training.fitting.factory import config_from_json, config_to_json, make_ranker
from training.fitting.family import State
from training.layers.ranking.candidate_sources import FittedSource, Source
from training.layers.ranking.source_lists import Catalogue

COLUMNS, VIEWS, COUNTS = "columns", "views", "counts"
CATEGORIES, MOMENT, CONFIG, ITEMS, PLACES = "category.", "moment", "config", "items_J", "place_I"


def text_tensor(text: str) -> torch.Tensor:
    """Text as bytes."""
    return torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)


def text_of(tensor: torch.Tensor) -> str:
    """The text of ``text_tensor``."""
    return tensor.numpy().tobytes().decode()


def under(state: State, prefix: str) -> State:
    """The tensors whose names begin with a prefix, without it."""
    return {key.removeprefix(prefix): one for key, one in state.items() if key.startswith(prefix)}


def tables_state(tables: FeatureTables) -> State:
    """Feature tables as tensors."""
    state = {
        COLUMNS: _json([asdict(column) for column in tables.columns]),
        VIEWS: _json([asdict(table.view) for table in tables.tables]),
        COUNTS: _json(tables.entities.counts),
        MOMENT: torch.tensor(tables.moment),
    }
    for name, codes_I in tables.entities.categories.items():
        state[f"{CATEGORIES}{name}"] = torch.from_numpy(codes_I)
    for place, table in enumerate(tables.tables):
        state[f"{place}.key"] = torch.from_numpy(table.key_R)
        for name, values in table.values.items():
            state[f"{place}.value.{name}"] = torch.from_numpy(values)
    return state


def tables_of(state: State) -> FeatureTables:
    """The tables of ``tables_state``."""
    columns = TypeAdapter(tuple[FeatureColumn, ...]).validate_json(text_of(state[COLUMNS]))
    views = TypeAdapter(tuple[ServiceView, ...]).validate_json(text_of(state[VIEWS]))
    counts = TypeAdapter(dict[str, int]).validate_json(text_of(state[COUNTS]))
    tables = tuple(
        ViewTable(
            view,
            state[f"{place}.key"].numpy(),
            {name: one.numpy() for name, one in under(state, f"{place}.value.").items()},
        )
        for place, view in enumerate(views)
    )
    entities = Entities(
        counts, {name: one.numpy() for name, one in under(state, CATEGORIES).items()}
    )
    return FeatureTables(columns, tables, entities, int(state[MOMENT]))


def source_state(fitted: FittedSource) -> State:
    """A source as tensors."""
    own = {f"family.{key}": one for key, one in fitted.ranker.state().items()}
    return own | {
        CONFIG: text_tensor(config_to_json(fitted.ranker.config).decode()),
        ITEMS: torch.from_numpy(fitted.catalogue.items_J),
        PLACES: torch.from_numpy(fitted.catalogue.place_I),
    }


def source_of(source: Source, state: State) -> FittedSource:
    """The source of ``source_state``."""
    config = config_from_json(source.family, text_of(state[CONFIG]).encode())
    ranker = make_ranker(source.family, config)
    ranker.load_state(under(state, "family."))
    return FittedSource(source, ranker, Catalogue(state[ITEMS].numpy(), state[PLACES].numpy()))


def _json(value: object) -> torch.Tensor:
    return text_tensor(json.dumps(value))
