"""The small shop with an encoder: a user's vector is the sum of what was bought."""

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import save_file

from penchant.artifacts import Snapshot
from penchant.encoders.encoder import Encoder
from penchant.encoders.history import History

DAY = 86_400


def with_encoder(shop: Any, number: int, strengths: dict[str, float] | None = None) -> Encoder:
    """Give the chosen run an encoder, and its users the vectors that this gives."""
    run, snapshot = shop.run(number), Snapshot.open(shop.settings, shop.run(number).parent.name)
    items = pq.read_table(run / "item_vectors.parquet")
    vectors_ID = np.stack(items["vector"].to_pylist()).astype(np.float32)
    folder = run / "encoder"
    folder.mkdir()
    described = {"kind": "weighted_mean", "form": "log", "tail": 1.0}
    described |= {"latest": None, "half_life_days": 120.0, "strengths": strengths}
    (folder / "encoder.json").write_text(json.dumps(described))
    np.save(folder / "item_ids.npy", np.array([id.encode() for id in items["item_id"].to_pylist()]))
    rows_I = np.arange(len(vectors_ID), dtype=np.int32)
    tensors = {"vectors_VD": vectors_ID[:, :-1].copy(), "row_I": rows_I}
    save_file(tensors, folder / "encoder.safetensors")
    encoder = Encoder.open(folder)
    sequences = pq.read_table(snapshot.mart("sequences")).to_pylist()
    users = {
        "user_id": [row["user_id"] for row in sequences],
        "vector": [encoder.encode(history_of(row, snapshot)).tolist() for row in sequences],
    }
    types = pa.schema({"user_id": pa.string(), "vector": pa.list_(pa.float32())})
    pq.write_table(pa.table(users, schema=types), run / "user_vectors.parquet")
    return encoder


def history_of(row: dict[str, Any], snapshot: Snapshot) -> History:
    ages = [(snapshot.as_of - at).total_seconds() / DAY for at in row["event_ats"]]
    weights = np.array(row["weights"], np.float32)
    return History(tuple(row["item_ids"]), np.array(ages, np.float32), weights)
