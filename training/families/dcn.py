"""DCN-V2: a deep & cross network that ranks the candidates of several sources (Wang et al. 2021).

The candidates, their features and the fortnights that it learns from are those of `lambdamart`
(layers/ranking/candidate_ranker.py); the network is in layers/ranking/cross_network.py. It is no
family of the main job: `penchant train --family dcn`.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from penchant.artifacts import ModelFile
from penchant.encryption.encrypted_file import sha256_of
from penchant.ranking.features import Features
from training.fitting.context import TrainingContext
from training.fitting.exported_encoder import OPSET
from training.fitting.family import State
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.ranking.candidate_ranker import CandidateConfig, CandidateRanker, Doubles
from training.layers.ranking.cross_network import CandidateBatch, CrossConfig, CrossNetwork
from training.layers.ranking.examples import RankingExamples

FILE = "ranking_model.onnx"
FEATURES, SCORES = "features", "scores"
IMPORTANCE = "importance_F"
HELD_OUT = "log_likelihood_of_held_out_users"
MOST_SCORED = 20_000  # candidates at a time, to bound the memory


@dataclass(frozen=True)
class Config(CandidateConfig):
    """``epochs``: over all users. ``users_a_batch``: whose candidates are a batch."""

    network: CrossConfig = field(default_factory=CrossConfig)
    epochs: int = 2
    users_a_batch: int = 48
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=1_000_000, learning_rate=2e-3, weight_decay=1e-2, warmup_steps=100_000
        )
    )


class Model(CandidateRanker):
    family = "dcn"
    config: Config

    def learned(self, parts: Sequence[RankingExamples], context: TrainingContext) -> "Network":
        """Users of the first part are held out: the step with their best likelihood is kept."""
        torch.manual_seed(context.seed)
        network = CrossNetwork.of(self.config.network, parts)
        first, *learned = parts if len(parts) > 1 else (*parts, *parts)
        held_out = CandidateBatch.of(first, np.arange(len(first.counts_G)))
        place_G = np.repeat(np.arange(len(learned)), [len(part.counts_G) for part in learned])
        row_G = np.concatenate([np.arange(len(part.counts_G)) for part in learned])
        steps = max(1, self.config.epochs * len(row_G) // self.config.users_a_batch)

        def batch_of(step: int) -> CandidateBatch:
            epoch, number = divmod(step * self.config.users_a_batch, len(row_G))
            order_G = np.random.default_rng([context.seed, epoch]).permutation(len(row_G))
            drawn_G = order_G[number : number + self.config.users_a_batch]
            return joined(
                [
                    CandidateBatch.of(learned[place], row_G[drawn_G[place_G[drawn_G] == place]])
                    for place in np.unique(place_G[drawn_G]).tolist()
                ]
            )

        def validate() -> float:
            context.budget.check()
            return -float(network.loss(held_out))

        trainer = replace(self.config.trainer.shortened(steps), validate_every=max(1, steps // 4))
        on_cpu = replace(context, device=torch.device("cpu"))  # too small for a GPU
        progress = fit_by_gradient(network, batch_of, validate, trainer, on_cpu, HELD_OUT)
        self.tuned |= progress.record()
        return Network(network, torch.tensor(network.importance(first.features_CF)))

    def loaded(self, state: State) -> "Network":
        features, unknown = len(state["mean_F"]), len(state["places_M"])
        network = CrossNetwork(self.config.network, features, unknown)
        network.load_state_dict({key: one for key, one in state.items() if key != IMPORTANCE})
        network.eval()
        return Network(network, state[IMPORTANCE])


@dataclass(frozen=True)
class Network:
    """A trained network. ``importance_F``: of its features, measured on held-out users."""

    network: CrossNetwork
    importance_F: torch.Tensor

    @torch.no_grad()
    def scores(self, features_CF: Features) -> Doubles:
        found = [
            self.network(torch.from_numpy(features_CF[first : first + MOST_SCORED])).double()
            for first in range(0, len(features_CF), MOST_SCORED)
        ]
        return torch.cat([torch.zeros(0, dtype=torch.double), *found]).numpy()

    def state(self) -> State:
        return self.network.state_dict() | {IMPORTANCE: self.importance_F}

    def importance(self) -> tuple[float, ...]:
        return tuple(self.importance_F.tolist())

    def write(self, folder: Path) -> ModelFile:
        """Write an ONNX graph from features to scores."""
        example_CF = torch.zeros(2, len(self.importance_F))
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of the exporter by tracing: see exported_encoder.py
            torch.onnx.export(
                self.network,
                (example_CF,),
                folder / FILE,
                input_names=[FEATURES],
                output_names=[SCORES],
                dynamic_axes={FEATURES: {0: "C"}, SCORES: {0: "C"}},
                opset_version=OPSET,
                dynamo=False,
            )
        return ModelFile(kind="onnx", name=FILE, sha256=sha256_of(folder / FILE))


def joined(batches: Sequence[CandidateBatch]) -> CandidateBatch:
    """One batch of several."""
    first = np.cumsum([0, *(each.users for each in batches)]).tolist()
    return CandidateBatch(
        torch.cat([each.features_CF for each in batches]),
        torch.cat([each.group_C + one for each, one in zip(batches, first, strict=False)]),
        torch.cat([each.share_C for each in batches]),
        first[-1],
    )
