"""A release: one immutable directory under ``releases/`` that online services read.

It is a Feast repository of its own with a view for each kind of row, the item index and a manifest,
``release.json``. Its Feast project is named after the publish attempt that wrote it, so that shared
stores keep releases apart as the files do.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from penchant.artifacts import ReleaseManifest
from penchant.encryption.encrypted_file import sha256_of
from penchant.encryption.home_files import ONLINE_STORE
from penchant.encryption.store import digest_of_store, is_store
from penchant.errors import DataError
from penchant.settings import Settings
from penchant.vectors import FLOAT, FloatArray, Frame

RELEASE_ID = re.compile(r"r-[0-9a-f]{12}")
MANIFEST = "release.json"
RANKING = "ranking"  # folder of the ranking model and its lists
PUBLISHED_AT = "published_as_of"  # timestamp column of every view: the snapshot's as_of
PRIOR_SCOPE = "all"  # the one entity key of popularity_prior


@dataclass(frozen=True)
class View:
    """A Feast view of a release: one row for each ``key``, and the columns it serves."""

    name: str
    entity: str
    key: str
    columns: tuple[str, ...]

    @property
    def refs(self) -> list[str]:
        """The Feast references of all columns, such as ``ranked_lists:scores``."""
        return [f"{self.name}:{column}" for column in self.columns]


_VECTOR = ("vector", "run_id")
_NUMBERS = ("numbers", "scale", "run_id")  # of a compressed vector: see penchant/vectors.py
_LIST = ("item_ids", "scores", "run_id")

USER_VECTORS = View("user_vectors", "user", "user_id", _VECTOR)
ITEM_VECTORS = View("item_vectors", "item", "item_id", _VECTOR)
USER_SEGMENTS = View(
    "user_segments",
    "user",
    "user_id",
    ("segment", "segment_interests", "transferred", "transferred_shares", "run_id"),
)
COMPRESSED_USER_VECTORS = View("user_vectors", "user", "user_id", _NUMBERS)
COMPRESSED_ITEM_VECTORS = View("item_vectors", "item", "item_id", _NUMBERS)
RANKED_LISTS = View("ranked_lists", "user", "user_id", _LIST)
POPULARITY_PRIOR = View("popularity_prior", "scope", "scope", _LIST)
RECENT_ITEMS = View(
    "recent_items",
    "user",
    "user_id",
    ("item_ids", "event_types", "event_ats", "quantities", "run_id"),
)
MAX_RECENT_ITEMS = 50
"""Per user in ``RECENT_ITEMS``: as many as the longest sequence model reads."""
BOUGHT_ITEMS = View("bought_items", "user", "user_id", ("item_ids", "run_id"))


@dataclass(frozen=True)
class Release:
    """A published release on disk."""

    id: str
    path: Path
    manifest: ReleaseManifest

    @classmethod
    def open(cls, settings: Settings, release_id: str) -> "Release":
        """Raises DataError when no complete release of that id is on disk."""
        path = settings.releases / release_id
        try:
            manifest = ReleaseManifest.read(path / MANIFEST)
        except FileNotFoundError:
            raise DataError(
                f"release {release_id} is not in {settings.releases}",
                "run `penchant publish` to publish it again",
            ) from None
        return cls(release_id, path, manifest)

    def verify(self) -> None:
        """Raise DataError for a file that is missing or is not as it was published.

        The ranking model is left to ``verify_ranking``: without it, lists serve.
        """
        self._verify(name for name in self.manifest.files if not name.startswith(f"{RANKING}/"))

    def verify_ranking(self) -> None:
        """``verify`` of the files of the ranking model."""
        self._verify(name for name in self.manifest.files if name.startswith(f"{RANKING}/"))

    def _verify(self, names: Iterable[str]) -> None:
        remedy = "run `penchant rollback`, or publish again"
        for name in names:
            sha256 = self.manifest.files[name]
            try:
                found = _sha256(self.path / name)
            except FileNotFoundError:
                raise DataError(f"release {self.id} is incomplete: {name}", remedy) from None
            if found != sha256:
                raise DataError(f"{self.path / name} is not as it was published", remedy)

    @property
    def snapshot_id(self) -> str:
        return self.manifest.snapshot_id

    @property
    def attempt(self) -> str:
        """The publish attempt that wrote it: the name of its Feast project and shared tables."""
        return self.manifest.attempt

    @property
    def last_feedback(self) -> str | None:
        """The newest file of the event log that its snapshot contains."""
        return self.manifest.last_feedback

    @property
    def has_vectors(self) -> bool:
        """False where popularity serves: then there are no vector views and no index."""
        return self.manifest.retriever is not None

    def has(self, view: View) -> bool:
        """Whether it has rows of a view: some need vectors, or purchases in the data."""
        return view.name in self.manifest.counts

    @property
    def has_encoder(self) -> bool:
        """False where popularity serves, or the retriever exports no encoder."""
        return self.manifest.encoder is not None

    @property
    def user_vectors(self) -> View:
        return self._vector_views[0]

    @property
    def item_vectors(self) -> View:
        return self._vector_views[1]

    @property
    def _vector_views(self) -> tuple[View, View]:
        return vector_views(self.manifest.vectors.kind if self.manifest.vectors else FLOAT)

    def item_vector(self, row: dict[str, Any]) -> FloatArray:
        """The vector of a row of ``item_vectors``, decoded where it is compressed."""
        return self._vector(ITEM_VECTORS, row)

    def user_vector(self, row: dict[str, Any]) -> FloatArray:
        """The vector of a row of ``user_vectors``, decoded where it is compressed."""
        return self._vector(USER_VECTORS, row)

    def _vector(self, side: View, row: dict[str, Any]) -> FloatArray:
        if "vector" in row:
            return np.array(row["vector"], np.float32)
        assert self.manifest.vectors is not None  # rows of vectors come with it
        frame = Frame.from_dict(self.manifest.vectors.frames[side.name])
        return frame.decode([row["numbers"]], [row["scale"]])[0]


def vector_views(kind: str) -> tuple[View, View]:
    """Of users and of items, for vectors of one kind (see penchant/vectors.py)."""
    if kind == FLOAT:
        return USER_VECTORS, ITEM_VECTORS
    return COMPRESSED_USER_VECTORS, COMPRESSED_ITEM_VECTORS


def release_id(
    snapshot_id: str, selection_id: str, kind: str = FLOAT, stores: Sequence[str] = ()
) -> str:
    """``r-`` and 12 hex digits: the same selection on the same snapshot, with vectors of the same
    kind and in the same shared ``stores``, is the same release."""
    content = json.dumps([snapshot_id, selection_id, kind, ReleaseManifest.FORMAT, *stores])
    return f"r-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def hashes_of(directory: Path) -> dict[str, str]:
    """The SHA-256 of every file's content, by its path in the directory."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): _sha256(path) for path in files}


def _sha256(path: Path) -> str:
    """Of the plain bytes, or of a store's rows: the same for every data key."""
    if path.name == ONLINE_STORE and is_store(path):
        return digest_of_store(path)
    return sha256_of(path)


def on_disk(settings: Settings) -> list[Release]:
    """All complete releases, newest first."""
    found = []
    for path in settings.releases.glob(f"r-*/{MANIFEST}"):
        if RELEASE_ID.fullmatch(path.parent.name):
            with suppress(DataError):  # removed meanwhile, or of another format
                found.append(Release.open(settings, path.parent.name))
    return sorted(found, key=lambda each: (each.manifest.created_at, each.id), reverse=True)
