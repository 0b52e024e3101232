"""A family that ranks the candidates of several sources by their features.

Candidates are the best items of neighbours, of the user's own history and of all users. A pair's
features are the columns of the feature service ``ranking`` and the sources' scores and ranks. The
model learns from several fortnights before T1: sources are fitted and features are joined as of
each fortnight's beginning, so that nothing later is seen. New columns of the service are features
of the next run. The score is not a dot product: there are no vectors.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import torch

from penchant.artifacts import ModelFile, RankingModelRecord
from penchant.artifacts.record import Interval
from penchant.errors import DataError
from penchant.ranking.features import Features, feature_names
from penchant.ranking.novelty import novelty_of
from training.data.feature_history import FeatureHistory, FeatureTables
from training.data.histories import DAY, Dataset, Histories
from training.data.split import WINDOW_DAYS, Split, Window
from training.evaluation.metrics.intervals import BoolArray
from training.fitting.context import TrainingContext
from training.fitting.family import Ranker, State
from training.layers.popularity import popularity
from training.layers.ranking.candidate_sources import FittedSource, Source
from training.layers.ranking.examples import (
    USERS_A_PART,
    Pairs,
    RankingExamples,
    features_of,
    labelled,
    pairs_of,
    sampled,
)
from training.layers.ranking.published import (
    candidate_table,
    isotonic,
    probabilities,
    reliability,
    source_records,
)
from training.layers.ranking.remembered_lists import RememberedLists
from training.layers.ranking.saved import (
    source_of,
    source_state,
    tables_of,
    tables_state,
    under,
)
from training.layers.ranking.source_lists import Depth, SourceLists, recall_at_100
from training.layers.ranking.trade_off import Doubles, exploration_trade_offs, trade_offs

POPULARITY_DAYS = 14.0
PREDICTED, OBSERVED = "predicted probability", "observed share"  # curves; step: a bin
NDCG_BY_VALUE, VALUE_BY_VALUE = "ndcg@10 by value weight", "value@10 by value weight"  # step: %
NDCG_BY_EXPLORATION = "ndcg@10 by exploration weight"
NOVELTY_BY_EXPLORATION = "novelty@10 by exploration weight"
BELOW = 1.0  # from the last candidate down to all other items
MODEL, TABLES, SOURCE = "model.", "tables.", "source."

SOURCES = (
    Source("personal_frequency", Depth(100), settings=(("half_lives_days", (90.0,)),)),
    Source("tifu_knn", Depth(100, 60), min_buyers=10),
    Source("user_cf", Depth(100, 60), min_buyers=10),
    Source(
        "item_cf",
        Depth(100, 60),
        min_buyers=20,
        fit_every=5,
        settings=(("half_lives_days", (120.0,)), ("neighbour_weights", (0.02,))),
    ),
    Source("popularity", Depth(2000), candidates=150, settings=(("half_lives_days", (14.0,)),)),
)


class CandidateModel(Protocol):
    """Orders candidates by their features."""

    def scores(self, features_CF: Features) -> Doubles:
        """The score of each candidate, whatever the number of candidates."""

    def state(self) -> State:
        """All that scores need, as tensors."""

    def importance(self) -> tuple[float, ...]:
        """The share of each feature, in order; they add up to 1."""

    def write(self, folder: Path) -> ModelFile:
        """Write the file that serving reads."""


@dataclass(frozen=True)
class CandidateConfig:
    """``fortnights``: which before T1 the model learns from, the last is 1. ``users``: of each at
    most, sampled by the seed. ``candidates``: that a request ranks."""

    fortnights: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
    users: int = 840
    share_of_negatives: float = 0.15
    candidates: int = 500
    sources: tuple[Source, ...] = SOURCES


class CandidateRanker(Ranker):
    """State: the model's, the sources', and the features as last observed."""

    family: str
    config: CandidateConfig
    observed: Histories | None = None

    @abstractmethod
    def learned(self, parts: Sequence[RankingExamples], context: TrainingContext) -> CandidateModel:
        """A model of the examples, the oldest first."""

    @abstractmethod
    def loaded(self, state: State) -> CandidateModel:
        """The model of a state."""

    def fit(self, split: Split, context: TrainingContext) -> None:
        t1 = split.train.end
        self.history: FeatureHistory | None = context.feature_history()
        self.columns = self.history.columns(t1)
        self.names = feature_names(self.columns, [one.family for one in self.config.sources])
        self.model = self.learned(self.examples(split.train, context), context)
        self.observed = None
        self.sources = self._fitted(split.train, context)
        self.observe(split.train)
        context.curve("validation_ndcg@10", 1, context.validate(self.scores))
        self._measure(context)

    def examples(self, train: Histories, context: TrainingContext) -> list[RankingExamples]:
        """Of all fortnights, in parts, the oldest first. Raises DataError where there are none."""
        found: list[RankingExamples] = []
        sources: list[FittedSource] = []
        for place, fortnight in enumerate(sorted(self.config.fortnights, reverse=True)):
            cut = train.end - fortnight * WINDOW_DAYS * DAY
            past = train.before(cut)
            window = Window(past, train.between(cut, cut + WINDOW_DAYS * DAY)).evaluated()
            window = window.take(np.flatnonzero(window.histories.lengths_U))
            if len(window.histories):
                sources = self._fitted_at(place, past, sources, context)
                found += self._examples(window, cut, sources, context)
        parts = [part for part in found if len(part.counts_G)]
        if not parts:
            raise DataError(
                f"in none of the fortnights {', '.join(map(str, self.config.fortnights))} before "
                f"{np.datetime64(train.end, 's')} did a known user act on a candidate",
                f"land more days of data, or train without {self.family}",
            )
        context.budget.check()
        return parts

    def observe(self, histories: Histories) -> None:
        if histories is self.observed:
            return
        self.observed = histories
        for source in self.sources:
            source.observe(histories)
        self.remembered = RememberedLists(self.sources)
        self.popularity_I = torch.from_numpy(popularity(histories, POPULARITY_DAYS))
        if self.history is not None:  # a loaded model has the features that it was saved with
            self.tables = self.history.as_of(histories.end, self.columns)

    def scores(self, batch: Histories) -> torch.Tensor:
        """Scores of candidates; below them all other items by popularity, which users without
        history get alone."""
        popularity_I = self.popularity_I / self.popularity_I.max().clamp(min=1e-12)
        scores_BI = popularity_I.repeat(len(batch), 1)
        known_B = np.flatnonzero(batch.lengths_U)
        batch = batch.take(known_B)
        lists = self.remembered.of(batch)
        pairs = pairs_of(lists, batch)
        features_CF = self._features(pairs, lists, batch, self.tables)
        score_C = torch.from_numpy(self.model.scores(features_CF)).float()
        row_C, item_C = (torch.from_numpy(rows) for rows in (pairs.row_C, pairs.item_C))
        lowest_B = torch.zeros(len(known_B)).scatter_reduce(0, row_C, score_C, "amin")
        known = torch.from_numpy(known_B)
        scores_BI[known] += (lowest_B - 1 - BELOW)[:, None]
        scores_BI[known[row_C], item_C] = score_C
        return scores_BI

    def state(self) -> State:
        state = {f"{MODEL}{key}": one for key, one in self.model.state().items()}
        state |= {f"{TABLES}{key}": one for key, one in tables_state(self.tables).items()}
        for place, source in enumerate(self.sources):
            state |= {f"{SOURCE}{place}.{key}": one for key, one in source_state(source).items()}
        return state | {"popularity_I": self.popularity_I}

    def load_state(self, state: State) -> None:
        self.history = None
        self.model = self.loaded(under(state, MODEL))
        self.tables = tables_of(under(state, TABLES))
        self.columns = self.tables.columns
        self.sources = [
            source_of(source, under(state, f"{SOURCE}{place}."))
            for place, source in enumerate(self.config.sources)
        ]
        self.remembered = RememberedLists(self.sources)
        self.popularity_I = state["popularity_I"]

    def candidate_lists(self, histories: Histories, dataset: Dataset, of_all: bool) -> pa.Table:
        return candidate_table(self.remembered, histories, dataset, of_all)

    def ranking_model(self, folder: Path, run_id: str, snapshot_id: str) -> RankingModelRecord:
        assert self.history is not None
        shares = dict(zip(self.names, self.model.importance(), strict=True))
        return RankingModelRecord(
            run_id=run_id,
            family=self.family,
            snapshot_id=snapshot_id,
            service_features=self.history.service_features,
            columns=self.columns,
            sources=source_records(self.config.sources, self.recall),
            features=self.names,
            candidates=self.config.candidates,
            model=self.model.write(folder),
            calibration=self.calibration,
            importance=dict(sorted(shares.items(), key=lambda row: -row[1])),
        )

    def _measure(self, context: TrainingContext) -> None:
        """Calibrate on half of the validation users, record the reliability on the others, and
        measure each source's recall."""
        users = context.window.evaluated()
        lists = self.remembered.of(users.histories)
        pairs = pairs_of(lists, users.histories)
        features_CF = self._features(pairs, lists, users.histories, self.tables)
        score_C, label_C = self.model.scores(features_CF), pairs.labels(users.targets)
        half_C = pairs.row_C % 2 == 0
        self.calibration = isotonic(score_C[half_C], label_C[half_C])
        if self.calibration:
            probability_C = probabilities(self.calibration, score_C[~half_C])
            for place, one in enumerate(reliability(probability_C, label_C[~half_C])):
                context.curve(PREDICTED, place, one[0])
                context.curve(OBSERVED, place, one[1])
            every_C = probabilities(self.calibration, score_C)
            self._record_trade_offs(pairs, every_C, label_C, users, context)
        self.recall: dict[str, Interval | None] = {}
        for source, one_list in lists.items():
            found = recall_at_100(one_list, users.targets, context.seed)
            self.recall[source.family] = asdict(found) if found else None

    def _record_trade_offs(
        self,
        pairs: Pairs,
        probability_C: Doubles,
        label_C: BoolArray,
        users: Window,
        context: TrainingContext,
    ) -> None:
        cells_T = np.unique(users.targets.rows_N * users.targets.item_count + users.targets.items_N)
        targets_B = np.bincount(cells_T // users.targets.item_count, minlength=len(users.targets))
        novelty_C = novelty_of(self.popularity_I.double().numpy())[pairs.item_C]
        for one in exploration_trade_offs(
            pairs.row_C, probability_C, novelty_C, label_C, targets_B
        ):
            step = round(100 * one.weight)
            context.curve(NDCG_BY_EXPLORATION, step, one.ndcg)
            context.curve(NOVELTY_BY_EXPLORATION, step, one.brought)
        if "price" not in context.items.column_names:
            return
        price_I = context.items["price"].cast(pa.float64()).fill_null(float("nan")).to_numpy()
        for one in trade_offs(
            pairs.row_C, probability_C, price_I[pairs.item_C], label_C, targets_B
        ):
            step = round(100 * one.weight)
            context.curve(NDCG_BY_VALUE, step, one.ndcg)
            context.curve(VALUE_BY_VALUE, step, one.brought)

    def _fitted(self, past: Histories, context: TrainingContext) -> list[FittedSource]:
        return [FittedSource.fit(source, past, context) for source in self.config.sources]

    def _fitted_at(
        self,
        place: int,
        past: Histories,
        earlier: list[FittedSource],
        context: TrainingContext,
    ) -> list[FittedSource]:
        """The sources of a fortnight; those of the one before where they need not be fitted."""
        if not earlier:
            return self._fitted(past, context)
        found = []
        for one in earlier:
            if place % one.source.fit_every:
                one.observe(past)
            else:
                one = FittedSource.fit(one.source, past, context)
            found.append(one)
        return found

    def _examples(
        self, window: Window, cut: int, sources: Sequence[FittedSource], context: TrainingContext
    ) -> list[RankingExamples]:
        """A sample of the users of one fortnight, in parts."""
        assert self.history is not None
        tables = self.history.as_of(cut, self.columns)
        random = np.random.default_rng([context.seed, cut])
        rows_B = np.sort(random.permutation(len(window.histories))[: self.config.users])
        found = []
        for part_B in np.array_split(rows_B, -(-len(rows_B) // USERS_A_PART)):
            part = window.take(part_B)
            lists = {one.source: one.lists(part.histories) for one in sources}
            pairs = pairs_of(lists, part.histories)
            pairs = sampled(pairs, part.targets, self.config.share_of_negatives, random)
            features_CF = self._features(pairs, lists, part.histories, tables)
            found.append(labelled(pairs, features_CF, part.targets))
            context.budget.check()
        return found

    def _features(
        self,
        pairs: Pairs,
        lists: Mapping[Source, SourceLists],
        batch: Histories,
        tables: FeatureTables,
    ) -> Features:
        return features_of(pairs, lists, batch, tables)
