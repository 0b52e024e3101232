"""The ranking stage of one request on one release, and why it could not run."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from penchant.api_schemas import Fallback
from penchant.errors import PenchantError
from penchant.releases.item_arrays import BoolArray, FloatArray64
from penchant.releases.opened import OpenRelease
from penchant.releases.ranking_files import RankingFiles
from penchant.serving.ranking.model import RankingModel
from penchant.serving.ranking.network import RankingNetwork
from penchant.serving.ranking.objective import Objective, novelty, order, probabilities
from penchant.serving.ranking.online_features import FeaturesMissing, OnlineFeatures
from penchant.serving.ranking.sources import find, merge
from penchant.serving.recommending.candidates import Candidates
from penchant.serving.recommending.ranking_stage import Ranked
from penchant.serving.recommending.user_state import UserState

BY_PROBABILITY = Objective()
MAX_OPEN = 3  # releases, as many as publishing keeps

log = structlog.get_logger()


@dataclass(frozen=True)
class OpenRanker:
    """A release's ranking model with all that it needs. Safe to share between threads."""

    files: RankingFiles
    model: RankingModel | RankingNetwork
    features: OnlineFeatures
    novelty_I: FloatArray64

    @classmethod
    def open(cls, opened: OpenRelease, files: RankingFiles) -> "OpenRanker":
        """Raises DataError for a corrupt model, FeaturesMissing for a view that is not online."""
        features = OnlineFeatures(opened, files)
        model = _model(files, features)
        return cls(files, model, features, novelty(opened.items))

    def rank(
        self,
        opened: OpenRelease,
        user: UserState,
        allowed_I: BoolArray | None,
        objective: Objective,
    ) -> Ranked:
        found = find(opened, self.files, user, allowed_I, explore=objective.exploration > 0)
        if not any(each.personal for each in found):
            return Ranked(None, "no_candidates")
        merged = merge(found, self.files.record.candidates)
        items_C = merged.items_C
        request = self.features.of(user.user_id, merged, user.events_since)
        raw_C = self.model.raw_scores(request)
        probability_C = probabilities(self.files.record.calibration, raw_C)
        prices_C = opened.items.prices_I[items_C]
        scores_C = objective.scores(probability_C, prices_C, self.novelty_I[items_C])
        best_C = order(scores_C, raw_C, items_C)
        names = [each.source for each in found]
        sources = tuple(map(names.__getitem__, merged.source_C[best_C].tolist()))
        return Ranked(Candidates(items_C[best_C], scores_C[best_C], sources))


class Ranker:
    """Ranks the candidates of requests. Safe to share between threads."""

    def __init__(
        self,
        objective: Objective = BY_PROBABILITY,
        on_ranked: Callable[[Fallback | None], None] = lambda fallback: None,
    ) -> None:
        """``on_ranked`` is called for each request, with why the model could not rank or None."""
        self._objective, self._on_ranked = objective, on_ranked
        self._open: dict[str, OpenRanker | Fallback] = {}
        self._lock = threading.Lock()

    def rank(self, opened: OpenRelease, user: UserState, allowed_I: BoolArray | None) -> Ranked:
        """The ranked candidates of a request, or why the precomputed list must serve it."""
        ranked = self._rank(opened, user, allowed_I)
        self._on_ranked(ranked.fallback)
        return ranked

    def _rank(self, opened: OpenRelease, user: UserState, allowed_I: BoolArray | None) -> Ranked:
        ranker = self._opened(opened)
        if not isinstance(ranker, OpenRanker):
            return Ranked(None, ranker)
        try:
            return ranker.rank(opened, user, allowed_I, self._objective)
        except FeaturesMissing as missing:
            log.warning("ranking: features missing", release=opened.release.id, cause=str(missing))
            return Ranked(None, "features_missing")
        except Exception:  # of the online store's client too: a list is better than a 500
            log.exception("ranking failed", release=opened.release.id)
            return Ranked(None, "failed")

    def _opened(self, opened: OpenRelease) -> "OpenRanker | Fallback":
        release_id = opened.release.id
        with self._lock:
            found = self._open.get(release_id)
            if found is None:
                found = self._open[release_id] = _open(opened)
                while len(self._open) > MAX_OPEN:
                    del self._open[next(iter(self._open))]
            return found


def _model(files: RankingFiles, features: OnlineFeatures) -> RankingModel | RankingNetwork:
    if files.record.model.kind == "onnx":
        return RankingNetwork.open(files.model, files.record)
    return RankingModel.open(files.model, files.record, features.items)


def _open(opened: OpenRelease) -> "OpenRanker | Fallback":
    try:
        files = opened.ranking
        return OpenRanker.open(opened, files) if files else "no_model"
    except FeaturesMissing as missing:
        log.error("ranking: features missing", release=opened.release.id, cause=str(missing))
        return "features_missing"
    except PenchantError as error:
        log.error("ranking: model unreadable", release=opened.release.id, cause=error.cause)
        return "model_unreadable"
