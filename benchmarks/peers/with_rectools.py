"""RecTools: SASRec and BERT4Rec with its own settings but for the size; softmax, batches of 128.

Lightning's loop is unchanged; a callback times each step and evaluates a few times.
"""

import numpy as np
import pandas as pd
import peer
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel, SASRecModel

MODELS = {"sasrec": SASRecModel, "bert4rec": BERT4RecModel}


class Evaluator(Callback):
    """Times steps, scores users, and ends the training when its time is over."""

    def __init__(self, data: peer.Data, seconds: float, length: int) -> None:
        self._data, self._seconds, self._length = data, seconds, length
        self.training: peer.TimedTraining

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        preparator = module.data_preparator
        self._row_I = np.zeros(self._data.item_count, np.int64)
        known = preparator.get_known_item_ids()
        self._row_I[known.astype(np.int64)] = preparator.item_id_map.convert_to_internal(known)
        self._mask = preparator.extra_token_ids.get("MASK")
        self.training = peer.TimedTraining(self._data, self._seconds, trainer.num_training_batches)
        self.training.start()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: object) -> None:
        self.training.step(lambda rows: self._scores(module, rows))
        trainer.should_stop = self.training.over

    @torch.no_grad()
    def _scores(self, module: LightningModule, rows: list[int]) -> np.ndarray:
        """scores_BI of users; an item that is not in the training part gets the padding's."""
        module.eval()
        read_BL = torch.zeros(len(rows), self._length, dtype=torch.long)
        for position, row in enumerate(rows):
            items = self._row_I[self._data.sequences[row]].tolist()
            items = (items if self._mask is None else [*items, self._mask])[-self._length :]
            read_BL[position, -len(items) :] = torch.tensor(items)
        model = module.torch_model
        items_ID = model.item_model.get_all_embeddings()
        users_BD = model.encode_sessions({"x": read_BL}, items_ID)[:, -1]
        module.train()
        return (users_BD @ items_ID.T).numpy()[:, self._row_I]


def main() -> None:
    name, data, settings = peer.arguments()
    torch.set_num_threads(settings["threads"])
    model = MODELS[name](
        n_factors=settings["dimensions"],
        n_blocks=settings["layers"],
        n_heads=settings["heads"],
        session_max_len=settings["length"],
        batch_size=settings["batch"],
        dropout_rate=settings["dropout"],
        loss="softmax",
        get_trainer_func=lambda: Trainer(
            max_epochs=-1,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            logger=False,
            callbacks=[Evaluator(data, settings["seconds"], settings["length"])],
        ),
    )
    model.fit(dataset(data))
    model.fit_trainer.callbacks[0].training.finish("rectools")


def dataset(data: peer.Data) -> Dataset:
    """The training part; a user's events are a day apart, since only their order matters."""
    _, (users_N, items_N), _ = data.entries()
    steps_N = np.concatenate([np.arange(len(items)) for items in data.sequences])
    return Dataset.construct(
        pd.DataFrame(
            {
                Columns.User: users_N,
                Columns.Item: items_N,
                Columns.Weight: 1.0,
                Columns.Datetime: pd.Timestamp("2014-01-01") + pd.to_timedelta(steps_N, "D"),
            }
        )
    )


if __name__ == "__main__":
    main()
