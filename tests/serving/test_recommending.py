"""What is recommended: filters, diversity, slate selection, reasons, and what is logged."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from penchant.api.app import create_app
from penchant.encoders.encoder import Encoder
from penchant.encoders.history import History
from penchant.errors import UsageError
from penchant.feedback.log import FeedbackLog
from penchant.ingestion.ingest import ingest
from penchant.interactions import Interaction
from penchant.publishing.publish import publish
from penchant.releases.fold_in import FoldIn
from penchant.releases.opened import OpenRelease
from penchant.serving.recommending.candidates import find_candidates
from penchant.serving.recommending.options import RecommendOptions
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.reranking import mmr_rerank, similarity
from penchant.serving.recommending.slate_selection import Slate, SlateCandidates
from penchant.serving.recommending.user_state import UserState, published_vector
from penchant.serving.service import RecommendationService
from penchant.vectors import FloatArray

ONE = "s-20180102-000000000001"
BOUGHT = {f"i{number:03}" for number in range(3, 13)}  # by u3


@pytest.fixture
def service(served_once: Any) -> RecommendationService:
    return RecommendationService(served_once.settings)


@pytest.fixture
def opened(served_once: Any) -> OpenRelease:
    settings = served_once.settings
    return OpenRelease(settings, settings.live_release.current())


def ids(answer: Any) -> list[str]:
    return [item.item_id for item in answer.items]


def test_filters_bought_and_excluded_items_and_keeps_the_order(
    service: RecommendationService,
) -> None:
    everything = ids(service.recommend("u3", 20))
    gone = everything[2]
    answer = service.recommend(
        "u3", 20, RecommendOptions(exclude_bought=True, exclude=(gone, "unknown"))
    )
    left = [item for item in everything if item not in BOUGHT and item != gone]
    assert ids(answer)[: len(left)] == left
    assert not BOUGHT & set(ids(answer)) and gone not in ids(answer)
    assert len(set(ids(answer))) == 20


def test_retriever_fills_lists_narrowed_by_category_and_price(
    service: RecommendationService,
) -> None:
    options = RecommendOptions(category="GROCERY > PANS", price_min=2.0, price_max=4.0)
    answer = service.recommend("u3", 12, options)
    assert len(answer.items) == 12  # items whose number ends in 1 or 3
    assert all(int(each[1:]) % 2 and 2 <= 1 + int(each[1:]) % 10 <= 4 for each in ids(answer))
    sources = [item.source for item in answer.items]
    assert sources == sorted(sources) and set(sources) == {"ranker", "retriever"}
    few = service.recommend("u3", 100, replace(options, price_min=2.0, price_max=2.0))
    assert {item[-1] for item in ids(few)} == {"1"} and len(few.items) == 12


def test_retriever_fills_by_greatest_dot_product(opened: OpenRelease) -> None:
    items, vector_D = opened.items, published_vector(opened, "u3")
    assert vector_D is not None
    found = find_candidates(opened, items, UserState("u3", vector_D), None, 60)
    products = opened.vectors_ID @ vector_D
    filled = found.take(np.array([at for at, by in enumerate(found.sources) if by == "retriever"]))
    assert filled.scores_C == pytest.approx(np.sort(products[filled.items_C])[::-1], rel=1e-5)
    left_out = np.setdiff1d(np.arange(len(items)), found.items_C)
    assert products[left_out].max() <= filled.scores_C.min()


def test_fold_in_moves_candidates_towards_the_vector(opened: OpenRelease) -> None:
    items = opened.items
    towards = opened.vectors_ID[77]
    as_it_was = find_candidates(opened, items, UserState("u3", towards), None, 10)
    folded = find_candidates(opened, items, UserState("u3", towards, folded_in=True), None, 10)
    products = opened.vectors_ID @ towards
    assert products.argmax() in folded.items_C[:6]
    first_ten = (each.items_C[:10] for each in (folded, as_it_was))
    assert np.greater(*(products[items_C].mean() for items_C in first_ten))
    unknown = find_candidates(opened, items, UserState("nobody", towards, folded_in=True), None, 10)
    assert unknown.items_C[0] == products.argmax()


def test_mmr_reduces_similarity_as_diversity_grows(opened: OpenRelease) -> None:
    items, best = opened.items, np.arange(30)
    assert mmr_rerank(items, best, 0.0, len(best)).tolist() == best.tolist()
    even, unlike = (mmr_rerank(items, best, diversity, 8)[:8] for diversity in (0.3, 1.0))
    assert even[0] == unlike[0] == 0

    def mean_similarity(places: np.ndarray) -> float:
        return float(similarity(items, best[places])[np.triu_indices(8, 1)].mean())

    assert mean_similarity(unlike) < mean_similarity(even) < mean_similarity(best[:8])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"diversity": 1.5}, "diversity: must be from 0 to 1, got 1.5"),
        ({"diversity": float("nan")}, "diversity: .* got nan"),
        ({"price_min": -1.0}, "price_min: must be at least 0, got -1"),
        ({"price_min": 3.0, "price_max": 2.0}, "at most price_max 2.0, got 3.0"),
        ({"category": " "}, "category: must have 1 to 300 characters"),
        ({"exclude": ("i",) * 501}, "501 items"),
    ],
)
def test_rejects_invalid_options(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        RecommendOptions(**wrong)


def test_rejects_an_unknown_category(service: RecommendationService) -> None:
    with pytest.raises(UsageError, match="no item is in the category 'PANS'"):
        service.recommend("u3", 5, RecommendOptions(category="PANS"))


class Backwards:
    """Selects the last candidates, with known propensities."""

    def candidates_needed(self, k: int) -> int:
        return 20

    def select(
        self, user_id: str, candidates: SlateCandidates, k: int, slate_id: str, release: Path
    ) -> Slate:
        last = len(candidates) - 1
        propensities_KC = np.full((k, len(candidates)), 0.5 / last)
        places = tuple(last - position for position in range(k))
        propensities_KC[range(k), places] = 0.5
        return Slate(places, (0.5,) * k, "backwards", propensities_KC, '{"why": "test"}')


def test_logs_the_selected_slate_with_all_propensities(served_once: Any, tmp_path: Any) -> None:
    from penchant.serving.recommending.impressions import log_shown

    straight = RecommendationService(served_once.settings).recommend("u3", 20)
    answer = RecommendationService(served_once.settings, Recommender(Backwards())).recommend(
        "u3", 2
    )
    assert ids(answer) == ids(straight)[:-3:-1]
    assert (answer.policy, answer.items[0].propensity) == ("backwards", 0.5)
    log = FeedbackLog(tmp_path)
    shown = log_shown(log, answer, "home", datetime(2026, 1, 1))
    log.seal()
    impressions, chances = (
        [json.loads(line) for path in log.sealed(table) for line in path.open()]
        for table in ("impressions", "propensities")
    )
    assert [row["impression_id"] for row in impressions] == list(shown.impression_ids)
    assert {row["context"] for row in impressions} == {'{"why": "test"}'}
    for position in (0, 1):
        own = [row["propensity"] for row in chances if row["position"] == position]
        assert len(own) == 20 and sum(own) == pytest.approx(1.0)


def test_reason_is_an_item_whose_removal_lowers_the_score(
    service: RecommendationService, opened: OpenRelease
) -> None:
    answer = service.recommend("u3", 20, RecommendOptions(reasons=True))
    fold_in, items = opened.fold_in, opened.items
    assert fold_in is not None and answer.reasons_by == "matrix_factorization"
    history = fold_in.history("u3")
    given = [item for item in answer.items if item.reason]
    assert given
    for item in given:
        assert item.reason is not None
        vector_D = items.vectors_VD[items.rows([item.item_id])[0]]
        without = fold_in.vector(history.without(item.reason.item_id))
        drop = vector_D @ fold_in.vector(history) - vector_D @ without
        assert item.reason.drop == pytest.approx(drop, rel=1e-4) and drop > 0
        assert item.reason.because.startswith("because you bought")


def test_withholds_reasons_without_a_drop(
    service: RecommendationService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchanged(encoder: Encoder, history: History, item_ids: Sequence[str]) -> FloatArray:
        return np.stack([encoder.encode(history)] * len(item_ids))

    monkeypatch.setattr(Encoder, "encode_without", unchanged)
    answer = service.recommend("u3", 20, RecommendOptions(reasons=True))
    assert [item.reason for item in answer.items] == [None] * 20


def test_reason_from_a_fresh_view_does_not_say_bought(opened: OpenRelease) -> None:
    class Since:
        def of(self, opened: OpenRelease, user_id: str) -> UserState:
            bought = Interaction("u3", "i051", "s", "purchase", datetime(2018, 1, 2), 1)
            return UserState(user_id, opened.vectors_ID[50], True, (bought,))

        def history(self, opened: OpenRelease, fold_in: FoldIn, user_id: str) -> History:
            now, once = np.zeros(2, np.float32), np.ones(2, np.float32)
            return History(("i050", "i051"), now, once)

    answer = Recommender(users=Since()).recommend(opened, "u3", 20, RecommendOptions(reasons=True))
    found = {item.reason.item_id: item.reason.because for item in answer.items if item.reason}
    assert found["i050"].startswith("because you recently showed interest in")
    assert found["i051"].startswith("because you bought")


def test_says_why_reasons_are_withheld(service: RecommendationService, shop: Any) -> None:
    options = RecommendOptions(reasons=True)
    unknown = service.recommend("nobody", 3, options)
    assert unknown.reasons_withheld == "unknown user: there is no history"
    publish(shop.settings, ONE)
    withheld = RecommendationService(shop.settings).recommend("u3", 3, options).reasons_withheld
    assert withheld is not None and "matrix_factorization has no encoder" in withheld


def test_completes_a_basket_with_the_nearest_other_items(
    service: RecommendationService, opened: OpenRelease
) -> None:
    basket = ["i007", "i008", "i007", "unknown"]
    completion = service.complete(basket, 5)
    unit = opened.vectors_ID / np.linalg.norm(opened.vectors_ID, axis=1, keepdims=True)
    cosines = unit @ (unit[7] + unit[8])
    cosines[[7, 8]] = -np.inf
    assert ids(completion.answer) == [f"i{at:03}" for at in np.argsort(-cosines)[:5]]
    assert completion.ignored == ("unknown",)
    with pytest.raises(UsageError, match="no item of the basket has a vector"):
        service.complete(["unknown"], 5)
    with pytest.raises(UsageError, match="got 101"):
        service.complete(["i001"] * 101, 5)


def test_recommendations_over_http_are_logged_and_land(served_once: Any) -> None:
    settings = served_once.settings
    client = TestClient(create_app(settings))
    params = {"user_id": "u3", "k": 3, "diversity": 0.4, "exclude_bought": True, "reasons": True}
    answer = client.get("/v1/recommendations", params=params | {"exclude": ["i020", "i021"]}).json()
    assert answer["release_id"] == settings.live_release.current()
    assert {item["propensity"] for item in answer["items"]} == {1.0} and answer["reasons_by"]
    basket = {"item_id": ["i007", "i008"], "k": 2, "user_id": "u3"}
    completed = client.get("/v1/basket", params=basket).json()
    assert all(item["impression_id"] for item in completed["items"])
    nobody = client.get("/v1/basket", params={"item_id": "i007"}).json()
    assert nobody["slate_id"] is None and nobody["items"][0]["impression_id"] is None
    for wrong in ({"diversity": 2}, {"price_min": "nan"}, {"category": "x"}):
        refused = client.get("/v1/recommendations", params={"user_id": "u3"} | wrong)
        assert refused.status_code == 422, wrong
        assert refused.headers["content-type"] == "application/problem+json"
    report = ingest(settings, "feedback", now=datetime.now(UTC).replace(tzinfo=None))
    assert {"impressions", "propensities"} <= {batch["table"] for batch in report.landed}
    assert report.quarantined == []
