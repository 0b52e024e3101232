"""Several families, or several sides of a user, fused into one.

The mode ``stack``: stacked generalization (Wolpert 1992) on validation users. Members are the
families that already have a run. The best subset is selected greedily (after Caruana et al. 2004),
and a small network combines the members' scores of a candidate with the user's own repeat history:
how often the item was bought, how recently, and how regularly. Features of the user's history
length let it weigh members differently for cold and warm users. It is trained (stacking.py) on
features of candidates (candidates.py) of at most half of the validation users and evaluated on the
others. Its score is not a dot product, so there are no vectors.

The mode ``gate`` needs no members: behaviour, content, profile and context joined by a learned gate
(gated.py), with vectors.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from penchant.errors import UsageError
from training.data.histories import Histories, IntArray
from training.data.split import Split, Window
from training.evaluation.metrics.full_ranking import SCORES_A_BATCH
from training.fitting.context import TrainingContext
from training.fitting.factory import config_from_json, config_to_json, make_ranker
from training.fitting.family import Ranker, State, VectorFamily
from training.fitting.trainer import TrainerConfig, fit_by_gradient
from training.layers.fusion import candidates
from training.layers.fusion.candidates import ItemStatistics, member_scores
from training.layers.fusion.combination import standardised
from training.layers.fusion.gated import GateConfig, Gated
from training.layers.fusion.stacking import (
    Stacker,
    StackingExamples,
    joined,
    means_by_warmth,
    ndcg_U,
    sample_learners,
    selected,
)
from training.layers.probe import Probe, fit_probe, no_vectors, without_probe

NETWORK, MEMBER, STATISTICS = "network.", "member.", "statistics."
CONFIG = "config"  # of a member, JSON
LOST_WITHOUT = "ndcg@10 lost without "  # the ablation curve of a group of features; step: warmth
POPULARITY = "popularity"  # is the baseline, never a member
STOPPING_SHARE = 0.2  # of the users learned from, for early stopping
USERS_A_STEP = 32
BELOW = 2.0  # logits, from the last candidate down to all other items


@dataclass(frozen=True)
class Config:
    """``gate``: of that mode; the rest is the stack's. ``most_members`` are kept. ``depth``: of the
    members' lists that candidates come from. ``learners``: users of the validation window that the
    stacker learns from; ``selectors`` of them select the members. ``new_share``: weight of the loss
    on items new to the user."""

    mode: Literal["stack", "gate"] = "stack"
    gate: GateConfig = field(default_factory=GateConfig)
    most_members: int = 3
    depth: int = 50
    learners: int = 1000
    selectors: int = 300
    hidden: int = 32
    dropout: float = 0.1
    new_share: float = 0.3
    stacker: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(
            steps=600, warmup_steps=20, weight_decay=1e-3, validate_every=50, patience=6
        )
    )


def Model(config: Config) -> Ranker:
    return Gated(config) if config.mode == "gate" else Stacked(config)


class Stacked(Ranker):
    """State: the network's weights, the members' configs and states under their place and name,
    and popularity as last observed. Interests: a probe of the members' concatenated vectors."""

    config: Config

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.learned_from_U: IntArray = np.zeros(0, np.int64)

    def fit(self, split: Split, context: TrainingContext) -> None:
        torch.manual_seed(context.seed)
        config = self.config
        found = {name: one for name, one in context.members().items() if name != POPULARITY}
        if not found:
            raise UsageError(
                "there is nothing to combine: no family but popularity has a run on this snapshot",
                "train another family that ranks on this snapshot, then fusion again",
            )
        window = split.validation.evaluated()
        self.learned_from_U = window.histories.users_U[
            sample_learners(len(window.histories), config.learners, context.seed)
        ]
        place_U = np.searchsorted(window.histories.users_U, self.learned_from_U)
        self.members = found
        self.observe(split.train)
        learned = self._select(window.take(place_U[: config.selectors]), context)
        rest = self._examples(window.take(place_U[config.selectors :]), context)
        every = joined([learned, *rest])
        training, stopping = _split_examples(every, context.device)
        self.network = self._network(training.features_NF.shape[1])
        self.network.start_from(training)
        self.network.to(context.device)

        def batch_of(step: int) -> StackingExamples:
            random = np.random.default_rng([context.seed, step])
            rows_B = random.choice(len(training), min(USERS_A_STEP, len(training)), replace=False)
            return training.take(torch.from_numpy(np.sort(rows_B)))

        def validate() -> float:
            context.budget.check()
            logit_N = self.network(stopping.features_NF)
            return float(ndcg_U(logit_N, stopping, context.population).mean())

        progress = fit_by_gradient(self.network, batch_of, validate, config.stacker, context)
        self.tuned |= progress.record() | {"learned_from": len(self.learned_from_U)}
        self._record_ablation(every.to(context.device), context)
        self.probe, self.habits = fit_probe(self._vectors, split, context)

    def observe(self, histories: Histories) -> None:
        for member in self.members.values():
            member.observe(histories)
        self._keep(self.members)
        self.statistics = ItemStatistics.of(histories)

    def _keep(self, members: dict[str, Ranker]) -> None:
        """Members as they are now: the vectors of items are computed once."""
        self.members = members
        self.scorers = [member.scorer() for member in members.values()]

    @torch.no_grad()
    def scores(self, batch: Histories) -> torch.Tensor:
        """Logits of candidates; below them all other items in the order of the first member.
        Users without history get popularity."""
        scores_MBI = member_scores(self.scorers, batch)
        found = candidates.candidates(scores_MBI, batch, self.statistics, self.config.depth)
        device = self.network.mean_F.device
        logit_N = self.network(found.features_NF.to(device)).cpu()
        row_N, item_N = torch.from_numpy(found.row_N), torch.from_numpy(found.item_N)
        lowest_B = torch.zeros(len(batch)).scatter_reduce(0, row_N, logit_N, "amin")
        first_BI = standardised(scores_MBI[0])
        scores_BI = first_BI.div_(first_BI.abs() + 1).add_((lowest_B - BELOW)[:, None])
        scores_BI[row_N, item_N] = logit_N
        unknown_B = torch.from_numpy(batch.lengths_U == 0)
        scores_BI[unknown_B] = self.statistics.share_PI[0]
        return scores_BI

    def interests(self, batch: Histories) -> torch.Tensor:
        return self.probe.probabilities(self._vectors, batch)

    def state(self) -> State:
        state = {f"{NETWORK}{key}": one.cpu() for key, one in self.network.state_dict().items()}
        for place, (name, member) in enumerate(self.members.items()):
            content = torch.frombuffer(bytearray(config_to_json(member.config)), dtype=torch.uint8)
            for key, one in (member.state() | {CONFIG: content}).items():
                state[f"{MEMBER}{place}.{name}.{key}"] = one
        state |= {f"{STATISTICS}{key}": one for key, one in vars(self.statistics).items()}
        return state | self.probe.state()

    def load_state(self, state: State) -> None:
        self.probe, state = Probe.of(state), without_probe(state)
        self.statistics = ItemStatistics(**_under(state, STATISTICS))
        weights = _under(state, NETWORK)
        self.network = self._network(len(weights["mean_F"]))
        self.network.load_state_dict(weights)
        self.network.eval()
        placed = {tuple(key.split(".")[:2]) for key in _under(state, MEMBER)}
        members = dict[str, Ranker]()
        for place, name in sorted(placed, key=lambda one: int(one[0])):
            own = _under(state, f"{MEMBER}{place}.{name}.")
            config = config_from_json(name, own.pop(CONFIG).numpy().tobytes())
            member = make_ranker(name, config)
            member.load_state(own)
            members[name] = member
        self._keep(members)

    def _select(self, window: Window, context: TrainingContext) -> StackingExamples:
        """Select the members; returns their examples on the window."""
        every = joined(self._examples(window, context))
        chosen, ndcg = selected(
            every, len(self.members), self.config.most_members, context.population
        )
        names = list(self.members)
        self._keep({names[one]: self.members[names[one]] for one in chosen})
        self.tuned = {"ndcg@10_of_lists_added": ndcg}
        return every.of_members(chosen, len(names))

    @torch.no_grad()
    def _record_ablation(self, learned: StackingExamples, context: TrainingContext) -> None:
        """Record the NDCG@10 lost without each group of features, for cold and warm users."""
        names = candidates.names(list(self.members))
        for source, columns in candidates.feature_groups(list(self.members)).items():
            hidden = learned.hidden(columns, self.network.mean_F)
            lost_G = means_by_warmth(
                ndcg_U(self.network(learned.features_NF), learned, context.population)
                - ndcg_U(self.network(hidden), learned, context.population),
                learned.of_users(names.index("events known"), context.population),
            )
            for group, lost in enumerate(lost_G):
                context.curve(f"{LOST_WITHOUT}{source}", group, lost)

    def _examples(self, window: Window, context: TrainingContext) -> list[StackingExamples]:
        found, users = [], len(window.histories)
        for rows_B in np.array_split(np.arange(users), _parts(window.histories)) if users else ():
            part = window.take(rows_B)
            scores_MBI = member_scores(self.scorers, part.histories)
            depth = self.config.depth
            pairs = candidates.candidates(scores_MBI, part.histories, self.statistics, depth)
            found.append(StackingExamples.of(pairs, part))
            context.budget.check()
        return found

    def _network(self, features: int) -> Stacker:
        config = self.config
        return Stacker(features, config.hidden, config.dropout, config.new_share)

    def _vectors(self, batch: Histories) -> torch.Tensor:
        vectors = [one for one in self.members.values() if isinstance(one, VectorFamily)]
        found = [no_vectors(batch), *(one.user_vectors(batch).cpu() for one in vectors)]
        return torch.cat(found, dim=1)


def _split_examples(
    examples: StackingExamples, device: torch.device
) -> tuple[StackingExamples, StackingExamples]:
    """Examples to train on and for early stopping; the same where there is one user."""
    stopping = max(1, int(STOPPING_SHARE * len(examples)))
    rows_B = torch.arange(len(examples))
    training_B = rows_B[stopping:] if len(examples) > 1 else rows_B
    return examples.take(training_B).to(device), examples.take(rows_B[:stopping]).to(device)


def _parts(histories: Histories) -> int:
    """In how many parts users are scored, so that a part's scores fit a cache."""
    return max(1, -(-len(histories) * histories.item_count // SCORES_A_BATCH))


def _under(state: State, prefix: str) -> State:
    return {key.removeprefix(prefix): one for key, one in state.items() if key.startswith(prefix)}
