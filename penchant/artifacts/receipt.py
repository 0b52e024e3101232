"""The receipt of an erasure."""

from penchant.artifacts.record import Moment, Part, Record


class UnlearnedModel(Part):
    """A model that no longer knows the person. ``how``: what was done, in words."""

    family: str
    run_id: str
    how: str


class ErasureReceipt(Record):
    """``privacy/receipts/<request id>.json``: what was removed where, and what was verified.

    ``removed``: place -> rows or files. ``searched_files``: files of the home that were searched
    for the person's id after the removal; none had it. ``limits``: what Penchant can't reach or
    verify. ``signature``: Ed25519 over all other fields, under ``public_key``; both in hex.
    """

    REMEDY = "the receipt is damaged: restore it from a backup"

    request_id: str
    pseudonym: str
    requested_at: Moment
    completed_at: Moment
    removed: dict[str, int]
    snapshot_id: str | None
    release_id: str | None
    models: tuple[UnlearnedModel, ...]
    searched_files: int
    limits: tuple[str, ...]
    public_key: str
    signature: str = ""
