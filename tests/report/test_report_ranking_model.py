"""The report's section on a ranking model."""

from penchant.artifacts import CandidateSource, ModelFile, RankingModelRecord
from penchant.ranking.features import FeatureColumn, feature_names
from penchant.report.ranking_model import RankingModelFigures, ranking_model_sections

COLUMNS = (FeatureColumn("item_profile", "price", "number"),)
RECORD = RankingModelRecord(
    run_id="lambdamart-1",
    family="lambdamart",
    snapshot_id="s-20240401-0123456789ab",
    service_features=("item_profile__price",),
    columns=COLUMNS,
    sources=(
        CandidateSource(
            name="tifu_knn",
            key="user",
            length=160,
            recall_at_100={"mean": 0.28, "low": 0.27, "high": 0.29},
        ),
    ),
    features=feature_names(COLUMNS, ("tifu_knn",)),
    candidates=500,
    model=ModelFile(name="ranking_model.txt", sha256="0", trees=150, max_leaves=31),
    importance={"tifu_knn: score": 0.75, "item_profile__price": 0.25, "tifu_knn: rank": 0.0},
)


def test_shows_importance_recall_and_reliability() -> None:
    by_value = [(0.0, 0.34, 9.5), (0.5, 0.31, 12.25)]
    by_exploration = [(0.0, 0.34, 0.4), (0.1, 0.27, 0.65)]
    reliability = [(0.1, 0.12), (0.3, 0.28)]
    figures = RankingModelFigures(RECORD, reliability, by_value, by_exploration)
    html = ranking_model_sections([figures])
    assert "12.25" in html and "value weight" in html and "value@10" in html
    assert "0.65" in html and "exploration weight" in html and "novelty@10" in html
    assert html.index("tifu_knn: score") < html.index("item_profile__price")
    assert "75.0%" in html and "0.2800" in html and "observed share" in html


def test_every_feature_is_in_a_table_with_its_whole_name() -> None:
    names = [f"user_statistics__a_feature_with_quite_a_long_name_{number}" for number in range(40)]
    importance = {name: (40 - place) / 820 for place, name in enumerate(names)}
    html = ranking_model_sections(
        [RankingModelFigures(RECORD.model_copy(update={"importance": importance}), [])]
    )
    assert f'<td class="number">40</td><td>{names[-1]}</td><td class="number">0.12%</td>' in html


def test_without_calibration_there_is_no_reliability() -> None:
    assert "observed share" not in ranking_model_sections([RankingModelFigures(RECORD, [])])
    assert ranking_model_sections([]) == ""
