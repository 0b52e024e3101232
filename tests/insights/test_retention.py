"""Returns, value and fading users, in a shop whose users' pace is known."""

import shutil
from datetime import datetime, timedelta

import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from planted_retention import AS_OF, SNAPSHOT, order, orders, write_shop

from penchant.api.app import create_app
from penchant.artifacts import Snapshot
from penchant.artifacts.retention import USERS, RetentionRecord
from penchant.errors import DataError, NothingToDo
from penchant.insights.retention import published
from penchant.insights.retention.bg_nbd import BgNbd, fit_bg_nbd
from penchant.insights.retention.fading import fading
from penchant.insights.retention.gamma_gamma import fit_gamma_gamma
from penchant.insights.retention.history import Users, outcome_after, read_orders, users_at
from penchant.insights.retention.models import RECENCY, Fitting, Moment, predict_return
from penchant.insights.retention.published import published_retention
from penchant.insights.retention.stage import predict_retention
from penchant.serving.service import RecommendationService
from penchant.settings import Settings
from penchant.subjects import Subjects

CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
"""As published for CDNOW by Fader, Hardie and Lee (2005)."""


def user(repeats: float, last_week: float, age_weeks: float, value: float = 10.0) -> Users:
    """One user; ``last_week``: week of the last order, counted from the first."""
    columns = (repeats + 1, 7 * age_weeks, 7 * (age_weeks - last_week), value)
    return Users(AS_OF, ("u",), *(np.array([float(column)]) for column in columns))


@pytest.fixture(scope="module")
def predicted_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """For tests that only read."""
    settings = Settings(
        _env_file=None, home=tmp_path_factory.mktemp("retention") / "home", threads=1
    )
    write_shop(settings, orders())
    predict_retention(settings, SNAPSHOT)
    return settings


@pytest.fixture
def predicted(settings: Settings, predicted_once: Settings) -> Settings:
    """For tests that write."""
    shutil.copytree(predicted_once.home, settings.home)
    return settings


@pytest.fixture(scope="module")
def client(predicted_once: Settings) -> TestClient:
    return TestClient(create_app(predicted_once))


def test_bg_nbd_gives_the_published_expectation() -> None:
    """The example of the authors' note on implementing the model in Excel."""
    assert CDNOW.orders(user(2, 30.43, 38.86), 39 * 7)[0] == pytest.approx(1.226, abs=2e-3)


def test_bg_nbd_tells_silence_from_leaving() -> None:
    slow, fast = user(4, 40, 60), user(40, 40, 60)
    assert CDNOW.alive(slow)[0] > 0.5 > CDNOW.alive(fast)[0]
    assert CDNOW.silence(slow)[0] > 0.05 > CDNOW.silence(fast)[0]
    assert CDNOW.alive(user(0, 0, 60))[0] == 1.0
    assert 0 < CDNOW.returns(slow, 28)[0] < CDNOW.returns(slow, 90)[0] < 1


def test_bg_nbd_recovers_the_rate_of_simulated_users() -> None:
    random = np.random.default_rng(3)
    rates, leaves, weeks = random.gamma(2.0, 1 / 6.0, 3000), random.beta(1.0, 6.0, 3000), 52.0
    counts, lasts = [], []
    for rate, leave in zip(rates, leaves, strict=True):
        time, last, count = random.exponential(1 / rate), 0.0, 0
        while time < weeks:
            last, count = time, count + 1
            if random.random() < leave:
                break
            time += random.exponential(1 / rate)
        counts.append(count), lasts.append(last)
    age = np.full(3000, 7 * weeks)
    ids = tuple(str(number) for number in range(3000))
    simulated = Users(AS_OF, ids, np.array(counts) + 1.0, age, age - 7 * np.array(lasts), age)
    found = fit_bg_nbd(simulated)
    assert found.r / found.alpha == pytest.approx(2.0 / 6.0, rel=0.1)
    assert found.a / (found.a + found.b) == pytest.approx(1 / 7, rel=0.15)


def test_nobody_with_two_orders_is_rejected(settings: Settings) -> None:
    write_shop(settings, [order(f"u{number}", 1 + number, 5.0) for number in range(200)])
    with pytest.raises(DataError, match="none of 200 users has bought on two days"):
        predict_retention(settings, SNAPSHOT)


@pytest.mark.parametrize(
    ("shop", "cause"),
    [
        ({"users": 30}, "30 users have bought, retention needs 50"),
        ({"days": 60}, "retention needs 112"),
    ],
)
def test_too_few_users_or_days_are_nothing_to_do(
    settings: Settings, shop: dict[str, int], cause: str
) -> None:
    write_shop(settings, orders(**shop))
    with pytest.raises(NothingToDo, match=cause):
        predict_retention(settings, SNAPSHOT)


def test_gamma_gamma_shrinks_users_with_few_orders() -> None:
    random = np.random.default_rng(0)
    means = random.gamma(5, 8, 500)
    n = random.integers(1, 20, 500).astype(float)
    users = Users(AS_OF, tuple(map(str, range(500))), n, n, n, random.gamma(4 * n, means / 4 / n))
    model, average = fit_gamma_gamma(users), float(users.mean_value_U.mean())
    once, often = (model.value(user(x, 1, 2, 4 * average))[0] for x in (0, 50))
    assert average < once < often == pytest.approx(4 * average, rel=0.1)


def test_free_orders_have_no_value() -> None:
    free = user(3, 5, 9, value=0.0)
    assert fit_gamma_gamma(free).value(free).tolist() == [0.0]


def test_counts_end_at_the_moment_and_outcomes_begin_there(settings: Settings) -> None:
    write_shop(
        settings,
        [order("a", day, 7.0) for day in (200, 128.5, 127.5, 100.5, 99.5, 38.5, 37.5)]
        + [order("b", 150, 1.0)],
    )
    found = read_orders(Snapshot.live(settings), 1)
    users = users_at(found, 128)
    assert users.user_ids == ("a", "b")
    assert users.orders_U.tolist() == [2, 1]
    assert users.recency_U.tolist() == [1, 22] and users.age_U.tolist() == [72, 22]
    outcome = outcome_after(found, users, 128)
    assert outcome.returned_U.tolist() == [True, False]
    assert outcome.value_U.tolist() == [28.0, 0.0]  # up to 90 days: not the last order
    assert np.isnan(outcome_after(found, users, 56).value_U).all()


def test_one_class_only_predicts_its_share() -> None:
    from penchant.insights.retention.history import Outcome

    users = user(3, 5, 9)
    past = Moment(users, np.zeros((1, 2)), Outcome(np.array([True]), np.array([1.0])))
    now = Moment(users, np.zeros((1, 2)), None)
    for name in (RECENCY, "logistic", "lightgbm"):
        assert predict_return(name, [past], now, Fitting(0, 1)).tolist() == [1.0]


def test_models_are_better_than_recency_alone(predicted_once: Settings) -> None:
    record = RetentionRecord.read(RetentionRecord.path(predicted_once, SNAPSHOT))
    assert record.tested_at == AS_OF - timedelta(days=28)
    chosen = record.returns[record.return_model]
    assert chosen.auc["mean"] > record.returns["recency"].auc["mean"]
    assert chosen.calibration_error < 0.12 and chosen.lift > 1.5
    assert 0.7 < record.value[record.value_model].bias < 1.4


def test_user_who_broke_their_pace_is_fading(predicted_once: Settings) -> None:
    row = published_retention(predicted_once).of_user("u0")
    assert row["fading"] and row["fading_interest"] == "Pans"
    assert row["days_since_last_order"] == 20 and row["usual_gap_days"] == pytest.approx(4)
    model = fit_bg_nbd(users_at(read_orders(Snapshot.live(predicted_once), 1), 0))
    assert not fading(model, user(2, 10, 13)).any(), "few orders"
    assert not fading(model, user(40, 20, 40)).any(), "left long ago"


def test_repeating_the_stage_changes_nothing(predicted_once: Settings) -> None:
    assert predict_retention(predicted_once, SNAPSHOT).repeated


def test_api_answers_a_user_and_the_fading(client: TestClient) -> None:
    answer = client.get("/v1/retention", params={"user_id": "u0"})
    assert answer.status_code == 200 and answer.json()["snapshot_id"] == SNAPSHOT
    listed = client.get("/v1/fading", params={"k": 2}).json()
    assert listed["fading"] >= len(listed["users"]) >= 1
    values = [each["expected_value"] for each in listed["users"]]
    assert values == sorted(values, reverse=True)


def test_api_rejects_unknown_users_and_tells_what_is_missing(
    client: TestClient, settings: Settings
) -> None:
    unknown = client.get("/v1/retention", params={"user_id": "nobody"})
    assert "'nobody' had bought nothing" in unknown.json()["detail"]
    empty = TestClient(create_app(settings)).get("/v1/fading")
    assert empty.status_code == 503 and "penchant build" in empty.json()["remedy"]
    settings.live_snapshot.flip(SNAPSHOT)
    remedy = TestClient(create_app(settings)).get("/v1/fading").json()["remedy"]
    assert f"`penchant predict-retention --snapshot {SNAPSHOT}`" in remedy


def test_objecting_user_has_no_prediction(predicted: Settings) -> None:
    Subjects(predicted).request("object", "u0", datetime(2024, 4, 2))
    client = TestClient(create_app(predicted))
    answer = client.get("/v1/retention", params={"user_id": "u0"})
    assert "not profiled" in answer.json()["detail"]
    users = client.get("/v1/fading", params={"k": 1000}).json()["users"]
    assert "u0" not in {each["user_id"] for each in users}


def test_console_shows_tenths_and_fading_users(client: TestClient) -> None:
    page = client.get("/console/insights").text
    assert "Returns within 28 days by tenth" in page and "Fading users" in page
    assert "users are silent for longer than their own pace" in page and "user_id=u0" in page


def test_a_request_for_fading_users_reads_as_many_as_it_returns(
    predicted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does it look through the requests of people for each user."""
    asked = list[str]()
    profiles = RecommendationService.profiles
    monkeypatch.setattr(
        RecommendationService,
        "profiles",
        lambda service, user_id: asked.append(user_id) or profiles(service, user_id),
    )
    client = TestClient(create_app(predicted))
    first, second = (client.get("/v1/fading", params={"k": 1}).json() for _ in range(2))
    assert first == second and len(asked) == 2
    monkeypatch.setattr(published, "PAGE", 1)
    every = list(published_retention(predicted).fading())
    assert every[0]["user_id"] == first["users"][0]["user_id"] and len(every) == first["fading"]
    users = RetentionRecord.path(predicted, SNAPSHOT).with_name(USERS)
    pq.write_table(pq.read_table(users).slice(0, 0), users)
    assert not client.get("/v1/fading").json()["users"], "another file is read again"
