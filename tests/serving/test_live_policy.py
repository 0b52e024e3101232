"""The policy that serves: exact chances, the same slate again, arms by hash, and no silent way."""

import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save_file

from penchant.api.app import create_app
from penchant.artifacts import PolicyDescription, Snapshot
from penchant.bandits.assignment import arm_of, assign, live_policy, running_experiment
from penchant.bandits.context_features import FEATURE_NAMES
from penchant.bandits.experiments import store
from penchant.bandits.learned import LearnedPolicy, PolicyConfig
from penchant.errors import DataError
from penchant.feedback.log import FeedbackLog
from penchant.publishing.publish import publish
from penchant.releases.context_features import PublishedContext, write_policy_facts
from penchant.serving.live_policy import CANDIDATES_PER_POSITION, EXPLORED, LivePolicies
from penchant.serving.recommending.recommender import Recommender
from penchant.serving.recommending.slate_selection import Slate, SlateCandidates
from penchant.serving.service import RecommendationService
from penchant.settings import Settings

CANDIDATES = tuple(f"i{number:03}" for number in range(40))
SLATES = 4000
SNAPSHOT = "s-20180102-000000000001"


def write_policy(settings: Settings, policy_id: str, **chosen: Any) -> None:
    """A policy that likes what is popular, and what stands first."""
    random = np.random.default_rng(1)
    features_ND = random.standard_normal((40, len(FEATURE_NAMES)))
    clicked_N = (features_ND[:, 1] + features_ND[:, 5] + random.standard_normal(40) > 0) * 1.0
    learned = LearnedPolicy.untrained(PolicyConfig(**chosen)).updated(features_ND, clicked_N)
    folder = settings.policies / policy_id
    folder.mkdir(parents=True)
    description = PolicyDescription(features=FEATURE_NAMES, settings=vars(learned.config))
    description.write(folder / "policy.json")
    save_file(learned.state(), folder / "model.safetensors")


@pytest.fixture
def release(shop: Any, tmp_path: Path) -> Path:
    """Where a release's facts are."""
    write_policy_facts(Snapshot.open(shop.settings, SNAPSHOT), tmp_path)
    return tmp_path


NOWHERE = Path("/nowhere")
"""The ranker's policy looks at no facts."""


def candidates(count: int = len(CANDIDATES)) -> SlateCandidates:
    scores_C = np.linspace(1, 0, count)
    return SlateCandidates(CANDIDATES[:count], scores_C, ("ranker",) * count)


def exploring(settings: Settings, share: float) -> LivePolicies:
    return LivePolicies(settings.model_copy(update={"exploration": share}))


def test_shows_the_ranker_order_without_a_learned_policy(settings: Settings) -> None:
    slate = LivePolicies(settings).select("u1", candidates(), 5, "s", NOWHERE)
    assert (slate.policy, slate.actions) == ("ranker", (0, 1, 2, 3, 4))
    assert slate.propensities == (1.0,) * 5
    few = LivePolicies(settings).select("u1", candidates(2), 5, "s", NOWHERE)
    assert few.actions == (0, 1)
    assert LivePolicies(settings).select("u1", candidates(0), 5, "s", NOWHERE).actions == ()


def test_ranker_policy_explores_uniformly(settings: Settings) -> None:
    policies = exploring(settings, 0.3)
    slates = [policies.select("u1", candidates(), 2, str(n), NOWHERE) for n in range(SLATES)]
    assert {slate.policy for slate in slates} == {"ranker-0.3"}
    first = Counter(slate.actions[0] for slate in slates)
    assert set(first) == set(range(CANDIDATES_PER_POSITION * 2))
    assert slates[0].propensities_KC[0] == pytest.approx([0.75, *[0.05] * 5])
    for place, chance in enumerate(slates[0].propensities_KC[0]):
        assert first[place] / SLATES == pytest.approx(chance, abs=0.03)


@pytest.mark.parametrize("kind", ["dynamic", "thompson", "linucb", "epsilon greedy"])
def test_action_frequencies_equal_their_propensities(shop: Any, release: Path, kind: str) -> None:
    settings = shop.settings
    write_policy(settings, "p-a", policy=kind)
    settings.live_policy.flip("p-a")
    policies = LivePolicies(settings)
    slates = [policies.select("u3", candidates(), 3, f"slate {n}", release) for n in range(600)]
    for position in range(3):
        drawn = np.bincount([slate.actions[position] for slate in slates], minlength=9) / 600
        said = np.mean([slate.propensities_KC[position] for slate in slates], axis=0)
        np.testing.assert_allclose(drawn, said, atol=0.07)
    for slate in slates:
        assert slate.policy == "p-a" and len(set(slate.actions)) == 3
        np.testing.assert_allclose(slate.propensities_KC.sum(axis=1), 1)
        assert min(slate.propensities) > 0


def test_same_slate_id_gives_the_same_slate(shop: Any, release: Path) -> None:
    write_policy(shop.settings, "p-a")
    shop.settings.live_policy.flip("p-a")

    def drawn_now() -> list[Slate]:
        policies = LivePolicies(shop.settings)
        return [policies.select("u3", candidates(), 5, f"{n}", release) for n in range(20)]

    before = drawn_now()
    for slate, again in zip(before, drawn_now(), strict=True):
        assert (slate.actions, slate.propensities) == (again.actions, again.propensities)
        np.testing.assert_array_equal(slate.propensities_KC, again.propensities_KC)
    assert len({slate.actions for slate in before}) > 3, "another id is another draw"


def test_explores_more_for_users_with_less_history(shop: Any, release: Path) -> None:
    write_policy(shop.settings, "p-a")
    shop.settings.live_policy.flip("p-a")
    policies = LivePolicies(shop.settings)

    def share(user_id: str) -> float:
        slate = policies.select(user_id, candidates(), 5, "one", release)
        return json.loads(slate.context)["exploration"]

    assert 0.05 <= share("u3") < share("a stranger") <= 0.5


def test_experiment_assigns_policies_by_arm(shop: Any, release: Path) -> None:
    settings = shop.settings
    write_policy(settings, "p-a")
    experiment = store.start(settings, live_policy(settings), "p-a", 0.5, datetime(2018, 1, 2))
    policies = LivePolicies(settings)
    served_by = set()
    for number in range(20):
        user_id = f"u{number}"
        slate = policies.select(user_id, candidates(), 2, "one", release)
        assert slate.policy == arm_of(experiment.id, user_id, experiment.shares)
        assert json.loads(slate.context)["experiment"] == experiment.id
        served_by.add(slate.policy)
    assert served_by == {"ranker", "p-a"}
    store.end(settings)
    assert running_experiment(settings) is None and assign(settings, "u1").policy_id == "ranker"
    assert policies.select("u1", candidates(), 2, "one", release).policy == "ranker"


def test_logs_all_propensities_of_the_live_policy(shop: Any) -> None:
    settings = shop.settings
    publish(settings, SNAPSHOT)
    write_policy(settings, "p-a")
    settings.live_policy.flip("p-a")
    with TestClient(create_app(settings)) as client:
        answer = client.get("/v1/recommendations", params={"user_id": "u3", "k": 2}).json()
    assert answer["policy"] == "p-a"
    log = FeedbackLog.of(settings)
    log.seal()

    def rows(table: str) -> list[dict[str, Any]]:
        (file,) = log.sealed(table)
        return [json.loads(line) for line in file.read_text().splitlines()]

    chances = rows("propensities")
    assert Counter(row["position"] for row in chances) == {0: 6, 1: 5}
    for item, shown in zip(answer["items"], rows("impressions"), strict=True):
        of_position = [row for row in chances if row["position"] == shown["position"]]
        assert sum(row["propensity"] for row in of_position) == pytest.approx(1)
        (chosen,) = (row for row in of_position if row["candidate_id"] == shown["item_id"])
        assert chosen["propensity"] == shown["propensity"] == item["propensity"]
        assert (shown["policy"], shown["impression_id"]) == ("p-a", item["impression_id"])
    service = RecommendationService(settings, Recommender(LivePolicies(settings)))
    again = service.recommend("u3", 2, slate_id=answer["slate_id"])
    assert [item.item_id for item in again.items] == [item["item_id"] for item in answer["items"]]


def test_rejects_a_missing_or_incompatible_policy(shop: Any, release: Path) -> None:
    settings = shop.settings
    settings.policies.mkdir(parents=True)
    settings.live_policy.flip("p-gone")
    with pytest.raises(DataError, match=r"policy p-gone is live, but .* is missing"):
        LivePolicies(settings).select("u1", candidates(), 2, "one", release)
    write_policy(settings, "p-old")
    path = settings.policies / "p-old" / "policy.json"
    description = PolicyDescription.read(path)
    description.model_copy(update={"features": ("constant",)}).write(path)
    settings.live_policy.flip("p-old")
    with pytest.raises(DataError, match=r"policy\.json: features are"):
        LivePolicies(settings).select("u1", candidates(), 2, "one", release)


def test_rejects_a_release_without_context_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has no facts for a policy"):
        PublishedContext.open(tmp_path)


def test_log_of_a_long_slate_is_bounded(settings: Settings) -> None:
    """Only the first positions are drawn; the others keep the order."""
    many = SlateCandidates(
        tuple(f"c{number}" for number in range(300)), np.linspace(1, 0, 300), ("ranker",) * 300
    )
    slate = exploring(settings, 0.3).select("u1", many, 100, "s", NOWHERE)
    assert len(set(slate.actions)) == len(slate.actions) == len(slate.propensities) == 100
    assert slate.propensities_KC is not None
    assert slate.propensities_KC.shape == (EXPLORED, CANDIDATES_PER_POSITION * EXPLORED)
    rest = slate.actions[EXPLORED:]
    assert list(rest) == sorted(rest) and slate.propensities[EXPLORED:] == (1.0,) * 80
