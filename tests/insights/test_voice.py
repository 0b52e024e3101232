"""What customers say: languages, copies, sentiment, aspects, topics and quoted answers."""

import shutil
from datetime import datetime

import pyarrow.compute as pc
import pytest
from fastapi.testclient import TestClient
from planted_reviews import AS_OF, SNAPSHOT, planted_reviews, reviewed, write_shop

from penchant.api.app import create_app
from penchant.artifacts.voice import VoiceRecord
from penchant.errors import NothingToDo
from penchant.ingestion.predicted.voice import item_sentiments, review_aspects
from penchant.ingestion.simulated.review_sentences import ASPECTS, FAVOURABLE, UNFAVOURABLE
from penchant.ingestion.simulated.review_texts import review_text
from penchant.insights.voice.language import UNKNOWN, languages_of
from penchant.insights.voice.marking import copies, is_advertising
from penchant.insights.voice.published import published_voice
from penchant.insights.voice.reviews import sentences
from penchant.insights.voice.stage import read_voice
from penchant.settings import Settings
from penchant.subjects import Subjects
from penchant.words import words


@pytest.fixture(scope="module")
def read_once(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """For tests that only read."""
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("voice") / "home", threads=1)
    write_shop(settings, planted_reviews())
    read_voice(settings, SNAPSHOT)
    return settings


@pytest.fixture(scope="module")
def client(read_once: Settings) -> TestClient:
    return TestClient(create_app(read_once))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("I love this dress, it is so pretty", "en"),
        ("Die Lampe ist leider nicht sehr hell", "de"),
        ("La livraison est très lente et le café est froid", "fr"),
        ("El café está muy bueno", "es"),
        ("我很喜欢 iPhone 15 的颜色", "zh"),
        ("Desk Lamp の値段が悪いです", "ja"),
        ("배송이 빨라요", "ko"),
        ("xyzzy plugh", UNKNOWN),
        ("12345", UNKNOWN),
        ("👍👍", UNKNOWN),
    ],
)
def test_language_of_a_text(text: str, language: str) -> None:
    assert languages_of([text]) == [language]


def test_text_without_function_words_gets_the_language_of_its_words() -> None:
    texts = [*["The coffee is great and the lamp is bright"] * 5, *["Der Kaffee ist gut"] * 5]
    assert languages_of([*texts, "great coffee"])[-1] == "en"


def test_sentences_end_in_every_script() -> None:
    assert sentences("Good. Really!\nBut 3.5 stars") == ["Good.", "Really!", "But 3.5 stars"]
    assert sentences("味道非常好。价格很高。") == ["味道非常好。", "价格很高。"]
    assert sentences(" \n ") == []


def test_near_duplicates_and_advertising_are_marked() -> None:
    text = "I bought this lamp for my mother and she uses it every evening to read her books"
    tokens = [words(each) for each in (text, "Great!", "Great!", text.replace("books", "papers"))]
    assert copies(tokens).tolist() == [-1, -1, -1, 0]
    for spam in ("see www.shop.example", "mail a.b@c.example", "buy " * 20):
        assert is_advertising(spam, words(spam))
    assert not is_advertising(text, tokens[0])


def test_sentiment_is_learned_and_tested_on_other_users(read_once: Settings) -> None:
    record = VoiceRecord.read(VoiceRecord.path(read_once, SNAPSHOT))
    assert record.scored_by == "text" and record.sentiment is not None
    assert record.sentiment.auc["mean"] > 0.95
    assert record.sentiment.gain["low"] > 0.1
    assert set(record.languages) == {"en", "ja", "zh"}
    assert record.answers is not None
    for quality in (record.sentiment, record.answers):
        assert set(quality.by_language) == {"en", "ja", "zh"}
    for language in record.sentiment.by_language.values():
        assert language.gain["low"] > 0
    of_language = record.sentiment.by_language.values()
    assert sum(each.reviews for each in of_language) == record.sentiment.reviews


def test_aspects_have_their_sentiment_in_each_language(client: TestClient) -> None:
    found = client.get("/v1/voice").json()
    sentiment = {each["aspect"]: each["sentiment"] for each in found["aspects"]}
    for good, bad in (("flavour", "price"), ("味道", "价格"), ("風味", "値段")):
        assert sentiment[good] > 0.7 and sentiment[bad] < 0.3
    assert not {"lamp", "coffee", "the", "is"} & sentiment.keys()
    assert {each["language"] for each in found["topics"]} == {"en", "ja", "zh"}
    flavour = next(each for each in found["aspects"] if each["aspect"] == "flavour")
    assert flavour["quotes"][0]["text"] == "The flavour is wonderful."
    assert "user_id" not in flavour["quotes"][0]
    assert sum(month["mentions"] for month in flavour["months"]) == flavour["reviews"]
    assert abs(flavour["trend"]) < 0.3
    of_category = client.get("/v1/voice", params={"category": "Home"}).json()["aspects"]
    assert of_category[0]["aspect"] == "price"
    of_item = client.get("/v1/voice", params={"item_id": "coffee1"}).json()["aspects"]
    assert of_item[0]["aspect"] == "flavour"


def test_question_is_answered_by_quotes_with_their_source(client: TestClient) -> None:
    found = client.get("/v1/answers", params={"q": "How is the flavour?"}).json()["passages"]
    assert "flavour" in found[0]["text"] and found[0]["source"] == "review"
    asked = {"q": "Can I wash it?", "item_id": "lamp1"}
    (described, *_) = client.get("/v1/answers", params=asked).json()["passages"]
    assert described["text"] == "Wash it by hand." and described["source"] == "description"
    assert described["item_id"] == "lamp1" and described["reviewed_at"] is None
    (chinese, *_) = client.get("/v1/answers", params={"q": "价格怎么样"}).json()["passages"]
    assert "价格" in chinese["text"]
    assert (
        client.get("/v1/answers", params={"q": "quantum chromodynamics"}).json()["passages"] == []
    )


def test_sentiments_and_aspects_land_without_anybody_s_words(read_once: Settings) -> None:
    folder = VoiceRecord.folder(read_once, SNAPSHOT)
    sentiments = item_sentiments(folder, AS_OF).to_pylist()
    of_item = {row["item_id"]: row["sentiment"] for row in sentiments}
    assert of_item["coffee1"] > 0.7 > 0.3 > of_item["lamp1"]
    assert sum(row["reviews"] for row in sentiments) == 600
    aspects = review_aspects(folder, AS_OF)
    assert {"quotes", "months"}.isdisjoint(aspects.column_names)
    shop = aspects.filter(pc.equal(aspects["level"], "shop"))
    assert set(shop["name"].to_pylist()) == {""}


def test_earlier_answers_of_the_shop_are_quoted_with_their_question(client: TestClient) -> None:
    asked = {"q": "What bulb is right?", "item_id": "lamp1"}
    (answered, *_) = client.get("/v1/answers", params=asked).json()["passages"]
    assert answered["text"] == "An E27 of at most 40 W." and answered["source"] == "answer"
    assert answered["question"] == "Which bulb does it take?" and answered["item_id"] == "lamp1"
    (of_shop, *_) = client.get("/v1/answers", params={"q": "shipping, ship Norway"}).json()[
        "passages"
    ]
    assert of_shop["text"] == "Yes, within a week." and of_shop["item_id"] is None
    shown = client.get("/console/voice", params={"q": "Norway"}).text
    assert "Yes, within a week." in shown and "Do you ship to Norway?" in shown


def test_questions_that_reviews_could_answer_are_counted(read_once: Settings) -> None:
    quality = VoiceRecord.read(VoiceRecord.path(read_once, SNAPSHOT)).questions
    assert quality is not None
    assert (quality.questions, quality.without_answer) == (4, 2)
    assert quality.answerable["mean"] == pytest.approx(1 / 3)


def test_answer_to_an_objecting_user_is_left_out(read_once: Settings, settings: Settings) -> None:
    shutil.copytree(read_once.home, settings.home)
    Subjects(settings).request("object", "u1", datetime(2024, 4, 2))
    asked = {"q": "Which bulb?", "item_id": "lamp1"}
    found = TestClient(create_app(settings)).get("/v1/answers", params=asked).json()["passages"]
    assert "answer" not in [each["source"] for each in found]


def test_unknown_ids_and_both_filters_are_named(client: TestClient, settings: Settings) -> None:
    unknown = client.get("/v1/voice", params={"item_id": "nothing"}).json()
    assert "'nothing' has no aspect" in unknown["detail"]
    unknown = client.get("/v1/answers", params={"q": "price", "item_id": "no"}).json()
    assert "no review, description or answer" in unknown["detail"]
    both = client.get("/v1/voice", params={"item_id": "lamp1", "category": "Home"}).json()
    assert "both given" in both["detail"]
    empty = TestClient(create_app(settings)).get("/v1/voice")
    assert empty.status_code == 503 and "read-reviews" in empty.json()["remedy"]


def test_console_page_shows_aspects_and_answers(client: TestClient) -> None:
    shown = client.get("/console/voice", params={"q": "flavour", "category": "Grocery"}).text
    assert "The flavour is wonderful." in shown and "<svg" in shown


def test_empty_reviews_are_counted_and_left_out(settings: Settings) -> None:
    rows = planted_reviews(40) + [
        reviewed(1, "lamp1", 3.0, text, 300 + number)
        for number, text in enumerate((None, "", "  "))
    ]
    write_shop(settings, rows)
    record = read_voice(settings, SNAPSHOT).record
    assert (record.reviews, record.without_text) == (40, 3)
    assert read_voice(settings, SNAPSHOT).repeated


def test_no_review_with_text_is_nothing_to_do(settings: Settings) -> None:
    write_shop(settings, [reviewed(1, "lamp1", 3.0, None, 1)])
    with pytest.raises(NothingToDo, match="no review with text"):
        read_voice(settings, SNAPSHOT)


def test_ratings_stand_in_where_there_is_one_class_only(settings: Settings) -> None:
    rows = [row | {"rating": 5.0} for row in planted_reviews(200)]
    write_shop(settings, rows)
    record = read_voice(settings, SNAPSHOT).record
    assert record.scored_by == "rating" and record.sentiment is None
    assert {row["sentiment"] for row in published_voice(settings).of_shop()} == {1.0}


def test_quotes_of_an_objecting_user_are_left_out(read_once: Settings, settings: Settings) -> None:
    shutil.copytree(read_once.home, settings.home)
    voice = published_voice(settings)
    quoted = next(row for row in voice.of_shop() if row["aspect"] == "flavour")["quotes"][0]
    assert len(voice.of_user(quoted["user_id"])) >= 1
    Subjects(settings).request("object", quoted["user_id"], datetime(2024, 4, 2))
    aspects = TestClient(create_app(settings)).get("/v1/voice").json()["aspects"]
    quotes = next(each for each in aspects if each["aspect"] == "flavour")["quotes"]
    assert quoted["text"] not in [quote["text"] for quote in quotes]


def test_simulated_texts_say_what_the_rating_says() -> None:
    good, bad = (
        " ".join(review_text(f"u{n}", f"i{n}", "Home", rating, n) for n in range(300))
        for rating in (5.0, 1.0)
    )
    assert good.count("wonderful") > 3 * good.count("disappointing")
    assert bad.count("disappointing") > 3 * bad.count("wonderful")
    assert any(aspect in good for aspect in ASPECTS["Home"]) and "质量" in good and "品質" in good


def test_simulated_sentences_are_two_dozen_a_language_and_in_it() -> None:
    for language in FAVOURABLE:
        said = (*FAVOURABLE[language], *UNFAVOURABLE[language])
        assert len(set(said)) == len(said) >= 24
        text = "".join(each.format("") for each in said)
        assert languages_of([text]) == [language] and all("{}" in each for each in said)
