"""In which form the chosen retriever's vectors are published: the smallest that loses little."""

import json
from dataclasses import dataclass
from pathlib import Path

from penchant.settings import Settings
from penchant.vectors import FLOAT, KINDS

FOLDER, RECORD = "compressed", "compression.json"


@dataclass(frozen=True)
class Form:
    """``kind``: float32, or one of ``penchant.vectors.KINDS``, whose files lie in ``path``.
    ``lost``: the share of NDCG@10 that it loses on validation and test, with intervals; None of
    float32. ``why``: the decision in words."""

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
    """The smallest form whose loss on validation is, by the upper end of its interval, within
    PENCHANT_COMPRESSION_LOSS; float32 where none is, or the run was not compressed."""
    folder, most = run.parent / FOLDER / run.name, settings.compression_loss
    if not most:
        return Form(FLOAT, run, None, "PENCHANT_COMPRESSION_LOSS is 0")
    if not (folder / RECORD).is_file():
        return Form(FLOAT, run, None, f"{run.name} was not compressed")
    forms = json.loads((folder / RECORD).read_text())["forms"]
    refused = []
    for kind in KINDS:
        highest = forms[kind]["validation"]["share"]["high"]
        said = f"{kind} loses at most {highest:.2%} of validation NDCG@10"
        if highest <= most:
            lost = {window: forms[kind][window]["share"] for window in ("validation", "test")}
            return Form(kind, folder, lost, f"{said}, within {most:.2%}")
        refused.append(said)
    return Form(FLOAT, run, None, f"{'; '.join(refused)}: more than {most:.2%}")
