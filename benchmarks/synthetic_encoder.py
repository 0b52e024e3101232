"""Give the run of a synthetic shop an encoder, and its users the vectors that it computes."""

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
from torch import nn

from benchmarks.synthetic_shop import AS_OF, SNAPSHOT
from penchant.artifacts import Snapshot
from penchant.encoders.encoder import Encoder
from penchant.encoders.history import History
from penchant.encryption import parquet as pq
from penchant.settings import Settings
from training.fitting import exported_encoder

Kind = Literal["ridge", "transformer"]
DAY = 86_400
LATEST, LAYERS, HEADS = 200, 2, 2  # of the transformer: newest events that are read


def write_encoder(settings: Settings, kind: Kind) -> None:
    """``ridge``: as matrix factorization exports. ``transformer``: as a sequence model does."""
    (vectors,) = (settings.runs / SNAPSHOT).glob("*/item_vectors.parquet")
    run = vectors.parent
    items = pq.read_table(vectors)
    vectors_ID = torch.tensor(np.stack(items["vector"].to_pylist()).astype(np.float32))
    made = (
        exported_encoder.ridge(vectors_ID[:, :-1], 10.0, 0.1, 120.0, 1.0)
        if kind == "ridge"
        else exported_encoder.program(_Transformer(vectors_ID), LATEST)
    )
    made.save(run, tuple(items["item_id"].to_pylist()))
    encoder = Encoder.open(run / exported_encoder.FOLDER)
    sequences = pq.read_table(Snapshot.open(settings, SNAPSHOT).mart("sequences")).to_pylist()
    users = {
        "user_id": [row["user_id"] for row in sequences],
        "vector": [encoder.encode(_history(row)).tolist() for row in sequences],
    }
    types = pa.schema({"user_id": pa.string(), "vector": pa.list_(pa.float32())})
    pq.write_table(pa.table(users, schema=types), run / "user_vectors.parquet")


class _Transformer(nn.Module):
    """Untrained: for its work, not for its vectors."""

    def __init__(self, vectors_ID: torch.Tensor) -> None:
        super().__init__()
        torch.manual_seed(0)
        width = vectors_ID.shape[1]
        self.vectors = nn.Embedding.from_pretrained(vectors_ID)
        self.layers = nn.Sequential(*(_Layer(width) for _ in range(LAYERS)))

    def forward(
        self,
        items_L: torch.Tensor,
        weights_L: torch.Tensor,
        ages_L: torch.Tensor,
        types_L: torch.Tensor,
    ) -> torch.Tensor:
        read_LD: torch.Tensor = self.layers(self.vectors(items_L) * weights_L[:, None])
        return read_LD.mean(dim=0)


class _Layer(nn.Module):
    """Self-attention and a feed-forward network, each with a residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.projected, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        wide = 4 * width
        self.feed = nn.Sequential(nn.Linear(width, wide), nn.ReLU(), nn.Linear(wide, width))

    def forward(self, read_LD: torch.Tensor) -> torch.Tensor:
        part = read_LD.shape[1] // HEADS
        parts_LPHE = self.projected(read_LD).view(-1, 3, HEADS, part)
        query, key, value = parts_LPHE.permute(1, 2, 0, 3)
        heads_HLE = torch.softmax(query @ key.transpose(1, 2) / part**0.5, dim=2) @ value
        attended_LD = heads_HLE.permute(1, 0, 2).reshape(-1, HEADS * part)
        read_LD = self.first(read_LD + self.mixed(attended_LD))
        return self.second(read_LD + self.feed(read_LD))


def _history(row: dict[str, Any]) -> History:
    ages = [(AS_OF - at).total_seconds() / DAY for at in row["event_ats"]]
    weights = np.array(row["weights"], np.float32)
    return History(tuple(row["item_ids"]), np.array(ages, np.float32), weights)
