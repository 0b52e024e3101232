"""The result of federated training over the users of a snapshot."""

from pathlib import Path

from penchant.artifacts.privacy import PrivacySpent
from penchant.artifacts.record import Interval, Part, Record
from penchant.settings import Settings


class FederatedRound(Part):
    """``answered``: nodes whose update was used; ``rejected``: node -> what was wrong with its
    update; ``missing``: nodes that did not answer in time; ``failed``: messages of errors."""

    round: int
    answered: tuple[str, ...]
    rejected: dict[str, str]
    missing: tuple[str, ...]
    failed: tuple[str, ...]


class FederatedRecord(Record):
    """``federated.json``; the shared arrays, ``final.npz``, and the logs are beside it.

    ``secure``: by SecAgg+; ``encrypted``: by CKKS. ``privacy``: what the users of all nodes spent.
    ``ndcg``: NDCG@10 on the test window over the users of all nodes, of training on all histories
    in one place (``pooled``), in rounds (``federated``), and at each node by itself (``alone``),
    with as many rounds each. ``difference``: ``federated`` less each of the others, paired by user.
    """

    REMEDY = "run `penchant federate` again"

    snapshot_id: str
    family: str
    rule: str
    secure: bool
    encrypted: bool = False
    privacy: PrivacySpent | None = None
    nodes: dict[str, int]
    rounds: tuple[FederatedRound, ...]
    seconds: float
    ndcg: dict[str, Interval]
    difference: dict[str, Interval]

    @staticmethod
    def folder(settings: Settings, snapshot_id: str, number: str) -> Path:
        return settings.home / "federated" / snapshot_id / number

    @classmethod
    def path(cls, folder: Path) -> Path:
        return folder / "federated.json"
