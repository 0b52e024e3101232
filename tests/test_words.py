"""The tokenizer of titles, descriptions and queries."""

from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from penchant.serving.catalogue import Catalogue
from penchant.settings import Settings
from penchant.words import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Filter-Coffee 250g, 6" x_2', ["filter", "coffee", "250g", "6", "x_2"]),
        ("CAFÉ Crème Straße", ["cafe", "creme", "strasse"]),
        ("\uff21\uff22\uff11\u3000\uff76\uff9e\uff91", ["ab1", "ガム"]),
        ("新鲜水果", ["新鲜", "鲜水", "水果"]),
        ("iPhone手机 64GB 茶", ["iphone", "手机", "64gb", "茶"]),
        ("がぎぐ", ["がぎ", "ぎぐ"]),
        ("น้ำผึ้ง", ["น้ํา", "าผึ้", "ผึ้ง"]),
        ("हिन्दी चाय", ["हिन्दी", "चाय"]),
        ("한국어", ["한국", "국어"]),
        ("", []),
        ("…!", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_chinese_titles_of_the_same_words_in_another_order_share_most_pairs() -> None:
    first, second = set(words("正宗红富士苹果新鲜水果")), set(words("新鲜水果红富士苹果"))
    assert len(first & second) / len(second) > 0.8


def test_search_folds_titles_as_it_folds_the_query(settings: Settings, tmp_path: Path) -> None:
    titles = ["Crème Brûlée", "\uff21\uff22 Straße", "新鲜水果红富士苹果", "Tea"]
    items = tmp_path / "items.parquet"
    rows = ", ".join(f"('i{at}', '{title}', NULL)" for at, title in enumerate(titles))
    duckdb.execute(f"COPY (FROM (VALUES {rows}) t(item_id, title, category_1)) TO '{items}'")
    catalogue = Catalogue(settings, SimpleNamespace(mart=lambda name: items))  # type: ignore[arg-type]
    for query, item in (
        *(("creme BRULEE", "i0"), ("brûlée", "i0"), ("ab strasse", "i1"), ("STRAßE", "i1")),
        *(("红富士 水果", "i2"), ("tea", "i3")),
    ):
        assert [found.item_id for found in catalogue.items(query, 5)] == [item], query
