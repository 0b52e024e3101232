"""Messages of a Kafka topic, landed by a mapping, from a consumer that is a fake."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from own_files import COLUMNS, EVENTS, NOW, landed

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.ingest import IngestReport, ingest
from penchant.ingestion.preview import preview
from penchant.settings import Settings

kafka = pytest.importorskip("kafka")
ADDRESS = "kafka://one.example:9092,two.example:9092/orders?group=shop"


class Broker:
    """A topic of two partitions, and what groups have committed."""

    def __init__(self) -> None:
        self.messages: dict[int, list[Any]] = {0: [], 1: []}
        self.committed: dict[str, dict[Any, int]] = {}
        self.refuses_commits = False

    def send(self, partition: int, value: object) -> None:
        sent = value if isinstance(value, bytes | None) else json.dumps(value).encode()
        self.messages[partition].append(sent)

    def consumer(self, bootstrap_servers: list[str], group_id: str, **options: Any) -> "Consumer":
        assert bootstrap_servers == ["one.example:9092", "two.example:9092"]
        assert options.pop("enable_auto_commit") is False
        assert options == {"auto_offset_reset": "earliest"}
        return Consumer(self, group_id)


class Consumer:
    def __init__(self, broker: Broker, group: str) -> None:
        self._broker, self._group = broker, group
        self._at: dict[Any, int] = {}

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(self._broker.messages) if topic == "orders" else None

    def assign(self, partitions: list[Any]) -> None:
        committed = self._broker.committed.get(self._group, {})
        self._at = {each: committed.get(each, 0) for each in partitions}

    def end_offsets(self, partitions: list[Any]) -> dict[Any, int]:
        return {each: len(self._broker.messages[each.partition]) for each in partitions}

    def position(self, partition: Any) -> int:
        return self._at[partition]

    def poll(self, timeout_ms: int) -> dict[Any, list[Any]]:
        """One message of each partition. Between two calls somebody sends another."""
        found = {}
        for each, at in self._at.items():
            sent = self._broker.messages[each.partition]
            if at < len(sent):
                place = {"partition": each.partition, "offset": at, "timestamp": 1720000000000 + at}
                found[each] = [SimpleNamespace(value=sent[at], **place)]
                self._at[each] = at + 1
        self._broker.send(1, event(f"late-{len(self._broker.messages[1])}"))
        return found

    def commit(self, offsets: dict[Any, Any]) -> None:
        if self._broker.refuses_commits:
            raise kafka.errors.CommitFailedError()
        at = {partition: committed.offset for partition, committed in offsets.items()}
        self._broker.committed.setdefault(self._group, {}).update(at)

    def close(self) -> None: ...


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker()
    monkeypatch.setattr(kafka, "KafkaConsumer", broker.consumer)
    return broker


def event(number: str) -> dict[str, object]:
    return {
        "event_id": number,
        "user_id": "u",
        "session_id": "s",
        "item_id": "i",
        "event_at": "2024-07-01T10:00:00Z",
        "paid": 9.5,
    }


def mapping(path: str = ADDRESS, **keys: Any) -> str:
    events = {**EVENTS, "columns": {**COLUMNS, "value": "paid"}, "path": path, **keys}
    return yaml.safe_dump({"tables": {"events": events}})


def run(settings: Settings, folder: Path, path: str = ADDRESS, **keys: Any) -> IngestReport:
    (folder / "m.yml").write_text(mapping(path, **keys))
    return ingest(settings, "files", mapping=folder / "m.yml", now=NOW)


def test_offsets_are_committed_after_the_messages_have_landed(
    settings: Settings, tmp_path: Path, broker: Broker
) -> None:
    broker.send(0, event("1"))
    broker.send(0, None)  # a tombstone
    broker.send(1, json.dumps(event("2"), indent=2).encode())
    [batch] = run(settings, tmp_path).landed
    assert (batch["original_name"], batch["rows"]) == ("orders.jsonl", 2)
    assert landed(settings, "event_id") == [("1",), ("2",)]  # those sent meanwhile come next
    assert sorted(broker.committed["shop"].values()) == [1, 2]
    assert "late-1" in {row for (row,) in _next(settings, tmp_path)}


def _next(settings: Settings, folder: Path) -> list[tuple[Any, ...]]:
    run(settings, folder)
    return landed(settings, "event_id")


def test_preview_of_a_mapping_commits_nothing(
    settings: Settings, tmp_path: Path, broker: Broker
) -> None:
    broker.send(0, event("1"))
    (tmp_path / "m.yml").write_text(mapping())
    [shown] = preview(settings, tmp_path / "m.yml", None, NOW).files
    assert shown.rows == 1 and shown.lands and not broker.committed


def test_messages_land_once_more_if_their_offsets_were_not_committed(
    settings: Settings, tmp_path: Path, broker: Broker
) -> None:
    """Of rows with the same key one counts, so nothing is lost and nothing counts twice."""
    broker.send(0, event("1"))
    broker.refuses_commits = True
    with pytest.raises(PenchantError, match="its offsets not be committed"):
        run(settings, tmp_path)
    assert landed(settings, "event_id") == [("1",)] and not broker.committed
    broker.refuses_commits = False
    run(settings, tmp_path)
    assert ("1",) in landed(settings, "event_id") and broker.committed


def test_quarantined_messages_are_not_committed(
    settings: Settings, tmp_path: Path, broker: Broker
) -> None:
    """A message that is no JSON object breaks a rule of its row alone."""
    for number in range(9):
        broker.send(0, event(str(number)))
    broker.send(0, b"<order/>")
    with pytest.raises(PenchantError, match="no file of the source files landed"):
        run(settings, tmp_path)
    assert not broker.committed
    [batch] = run(settings, tmp_path, reject_rows=0.1).landed
    assert batch["rejected"] == 1 and broker.committed


def test_place_of_a_message_can_be_its_id(
    settings: Settings, tmp_path: Path, broker: Broker
) -> None:
    broker.send(1, {name: value for name, value in event("1").items() if name != "event_id"})
    columns = {**COLUMNS, "event_id": ["kafka_partition", "kafka_offset"]}
    run(settings, tmp_path, columns=columns)
    assert landed(settings, "event_id") == [("1-0",)]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("kafka://one.example:9092", "give kafka://BROKER:9092/TOPIC"),
        ("kafka://one.example:9092/orders?password=x", "password is unknown"),
        ("kafka://one.example:9092/orders?security_protocol=SSl", "security_protocol is 'SSl'"),
        ("kafka://one.example:9092,two.example:9092/none", "the broker has no topic 'none'"),
    ],
)
def test_mistakes_of_an_address_name_the_key(
    settings: Settings, tmp_path: Path, broker: Broker, path: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        run(settings, tmp_path, path)


def test_topic_is_no_whole_table(settings: Settings, tmp_path: Path, broker: Broker) -> None:
    with pytest.raises(UsageError, match="whole_table is of files and tables"):
        run(settings, tmp_path, whole_table=True)
