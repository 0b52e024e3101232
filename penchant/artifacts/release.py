"""The manifest of a release."""

from typing import Any

from penchant.artifacts.record import Interval, Moment, Part, Record


class RunReference(Part):
    """A run that a release serves."""

    run_id: str
    family: str


class VectorForm(Part):
    """``kind``: of numbers. ``lost``: the share of NDCG@10 lost by it, by window; None of float32.
    ``why``: the decision in words. ``frames``: what decodes each side's vectors."""

    kind: str
    lost: dict[str, Interval] | None
    why: str
    frames: dict[str, dict[str, Any]]


class Segment(Part):
    """A segment of users. ``interests``: those they have more of than others."""

    name: str
    users: int
    interests: tuple[str, ...]


class EncoderDescription(Part):
    """``learned_from``: the event type that the retriever was trained on. ``latest``: events of a
    history that it reads. ``largest_difference``: between its vectors and the trained ones, over
    ``verified_users``."""

    family: str
    as_of: Moment
    learned_from: str
    latest: int | None
    verified_users: int
    largest_difference: float


class RankingModelReference(Part):
    """``as_of``: the end of the data, naive UTC."""

    run_id: str
    as_of: Moment


class ReleaseManifest(Record):
    """``release.json``: what a release was made of. ``files``: the SHA-256 of the content of each,
    by its path in the release; readers verify them.

    ``attempt``: the publish attempt that wrote it; names its Feast project and its tables in
    shared stores. ``counts``: rows of each view. Without a retriever, everything about vectors is
    None or empty. ``index``: what the vector index holds, see ``releases/index.py``.
    ``ranking_model``: None where the ranker has lists only.
    """

    REMEDY = "run `penchant publish` again"
    FORMAT = 11  # part of a release's id: raise it when what publish writes changes

    id: str
    attempt: str
    snapshot_id: str
    selection_id: str
    retriever: RunReference | None
    ranker: RunReference
    prior: RunReference
    counts: dict[str, int]
    dimensions: int | None
    vectors: VectorForm | None
    metric: str | None
    index: str | None
    recall_at_10: float | None
    segments: tuple[Segment, ...]
    norms: dict[str, dict[str, float]]
    encoder: EncoderDescription | None
    ranking_model: RankingModelReference | None
    last_feedback: str | None
    content_hash: str
    files: dict[str, str]
    created_at: Moment
