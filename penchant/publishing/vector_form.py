"""The form in which the retriever's vectors are published: the smallest with a small loss."""

from dataclasses import dataclass
from pathlib import Path

from penchant.artifacts import CompressionRecord
from penchant.settings import Settings
from penchant.vectors import FLOAT, KINDS


@dataclass(frozen=True)
class Form:
    """``kind``: float32 or one of ``penchant.vectors.KINDS``; ``path``: of its files. ``lost``: the
    share of NDCG@10 that it loses on validation and test, with intervals; None for float32.
    ``why``: the decision in words."""

    kind: str
    path: Path
    lost: dict[str, dict[str, float]] | None
    why: str

    def file(self, side: str) -> Path:
        """The Parquet of ``user_vectors`` or ``item_vectors``."""
        return self.path / (
            f"{side}.parquet" if self.kind == FLOAT else f"{side}.{self.kind}.parquet"
        )


def form_of(settings: Settings, run: Path) -> Form:
    """The smallest form whose loss on validation, at the upper end of its interval, is within
    PENCHANT_COMPRESSION_LOSS; float32 where there is none or the run was not compressed."""
    folder, most = CompressionRecord.folder(run), settings.compression_loss
    if not most:
        return Form(FLOAT, run, None, "PENCHANT_COMPRESSION_LOSS is 0")
    try:
        forms = CompressionRecord.read(CompressionRecord.path(folder)).forms
    except FileNotFoundError:
        return Form(FLOAT, run, None, f"{run.name} was not compressed")
    rejected = []
    for kind in KINDS:
        highest = forms[kind]["validation"]["share"]["high"]
        loss = f"{kind} loses at most {highest:.2%} of validation NDCG@10"
        if highest <= most:
            lost = {window: forms[kind][window]["share"] for window in ("validation", "test")}
            return Form(kind, folder, lost, f"{loss}, within {most:.2%}")
        rejected.append(loss)
    return Form(FLOAT, run, None, f"{'; '.join(rejected)}: more than {most:.2%}")
