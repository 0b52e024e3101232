"""RecBole: SASRec and BERT4Rec with its own settings except for the size; cross entropy.

It trains on each prefix of a history as a row of its own, 2,048 of them a batch, its default. Its
trainer is unchanged; its loader is wrapped to time each step and to evaluate a few times.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import peer
import torch
from recbole.config import Config
from recbole.data import create_dataset, data_preparation
from recbole.data.interaction import Interaction
from recbole.utils import get_model, get_trainer, init_seed

NAMES = {"sasrec": "SASRec", "bert4rec": "BERT4Rec"}


class Over(Exception):
    """The training time is over."""


class TimedLoader:
    """A training loader; what happens from one batch to the next is a step."""

    def __init__(self, loader: Any, training: peer.TimedTraining, scores: Any) -> None:
        self._loader, self._training, self._scores = loader, training, scores

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        self._training.start()
        for batch in self._loader:
            yield batch
            self._training.step(self._scores)
            if self._training.over:
                raise Over


class Scores:
    """Scores of the whole catalogue for users, in our order of items."""

    def __init__(self, model: Any, config: Config, dataset: Any, data: peer.Data) -> None:
        self._model, self._config, self._data = model, config, data
        ids = dataset.field2token_id[dataset.iid_field]  # 0 is the padding
        self._row_I = np.array([ids.get(str(item), 0) for item in range(data.item_count)])

    @torch.no_grad()
    def __call__(self, rows: list[int]) -> np.ndarray:
        length = self._config["MAX_ITEM_LIST_LENGTH"]
        read_BL = torch.zeros(len(rows), length, dtype=torch.long)
        lengths_B = torch.zeros(len(rows), dtype=torch.long)
        for position, row in enumerate(rows):
            items = self._row_I[self._data.sequences[row][-length:]]
            read_BL[position, : len(items)] = torch.from_numpy(items)
            lengths_B[position] = len(items)
        self._model.eval()
        scores_BI = self._model.full_sort_predict(
            Interaction({self._model.ITEM_SEQ: read_BL, self._model.ITEM_SEQ_LEN: lengths_B})
        )
        self._model.train()
        return scores_BI.numpy()[:, self._row_I]


def main() -> None:
    name, data, settings = peer.arguments()
    torch.set_num_threads(settings["threads"])
    with tempfile.TemporaryDirectory(prefix="penchant-recbole-") as folder:
        write(data, Path(folder) / "table" / "table.inter")
        config = Config(NAMES[name], "table", config_dict=options(settings, folder))
        init_seed(0, True)
        dataset = create_dataset(config)
        loader, _, _ = data_preparation(config, dataset)
        model = get_model(NAMES[name])(config, loader.dataset)
        training = peer.TimedTraining(data, settings["seconds"], len(loader))
        timed = TimedLoader(loader, training, Scores(model, config, dataset, data))
        try:
            trainer = get_trainer(config["MODEL_TYPE"], NAMES[name])(config, model)
            trainer.fit(timed, saved=False, verbose=False)
        except Over:
            training.finish("recbole")


def options(settings: dict[str, Any], folder: str) -> dict[str, Any]:
    return {
        "hidden_size": settings["dimensions"],
        "inner_size": 4 * settings["dimensions"],
        "n_layers": settings["layers"],
        "n_heads": settings["heads"],
        "hidden_dropout_prob": settings["dropout"],
        "attn_dropout_prob": settings["dropout"],
        "MAX_ITEM_LIST_LENGTH": settings["length"],
        "loss_type": "CE",
        "train_neg_sample_args": None,
        "data_path": folder,
        "checkpoint_dir": folder,
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {
            "split": {"LS": "valid_and_test"},
            "order": "TO",
            "group_by": "user",
            "mode": "full",
        },
        "epochs": 1_000_000,
        "use_gpu": False,
        "show_progress": False,
    }


def write(data: peer.Data, file: Path) -> None:
    """The sequences, with the item of validation and a placeholder for the test item at their ends.

    RecBole removes both again; the test item itself is not read here.
    """
    file.parent.mkdir()
    lines = ["user_id:token\titem_id:token\ttimestamp:float"]
    for user, (items, target) in enumerate(zip(data.sequences, data.targets_U, strict=True)):
        whole = [*items, target, target]
        lines += [f"{user}\t{item}\t{moment}" for moment, item in enumerate(whole)]
    file.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
