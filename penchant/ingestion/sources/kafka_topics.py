"""A Kafka topic as files of a mapping, with the extra ``kafka``.

``path`` is ``kafka://broker:9092/topic?group=penchant``; brokers are separated by commas, and
OPTIONS are further parameters. Each message is a JSON object, one row; its partition, offset and
time are columns too. An ingest reads from the offsets that the consumer group has committed to the
ends of the partitions as it begins, and commits after the rows have landed, never before. A process
that is killed in between lands the messages once more: of rows with the same key one counts.
"""

import json
import os
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, urlsplit

from penchant.errors import PenchantError, UsageError
from penchant.ingestion.landing.arrival import Arrival
from penchant.ingestion.landing.contract import Contract
from penchant.ingestion.landing.mapping import TableMapping

GROUP = "penchant"
OPTIONS: dict[str, tuple[str, ...]] = {
    "group": (),
    "security_protocol": ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    "sasl_mechanism": ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"),
    "ssl_cafile": (),
}
"""Parameters of an address with their values; any for an empty tuple."""
USER, PASSWORD = "KAFKA_USERNAME", "KAFKA_PASSWORD"
SECONDS = 30  # without a message before the end of a partition
POLL_MS = 1000


def is_kafka(address: str) -> bool:
    """Whether a mapping's path is the address of a Kafka topic."""
    return urlsplit(address).scheme == "kafka"


def new_messages(contract: Contract, mapping: TableMapping, folder: Path) -> Arrival | None:
    """The messages that the group has not committed, as a file of JSON lines; None for none.

    Tombstones, messages without a value, are left out. A message that is no JSON object is a row
    with the column ``unreadable`` alone, so that ``reject_rows`` can leave it out. Raises
    UsageError for an unknown topic or option and without the extra, PenchantError where no broker
    answers.
    """
    topic = topic_of(mapping.path, mapping.key)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{topic}.jsonl"
    consumer = _consumer(mapping.path, mapping.key)
    try:
        with file.open("wb") as written:
            ends = _read(consumer, topic, written, mapping.key)
    except _errors() as error:
        raise _unavailable(mapping.path, mapping.key, error) from error
    finally:
        consumer.close()
    if not file.stat().st_size:
        return None
    done = partial(_commit, mapping.path, mapping.key, ends)
    return Arrival(contract, file, mapping, folder, done)


def topic_of(address: str, key: str) -> str:
    """The topic of an address. Raises UsageError without one or with an unknown option."""
    where = urlsplit(address)
    topic = where.path.strip("/")
    if not where.netloc or not topic or "/" in topic:
        raise UsageError(
            f"{key}.path is {address!r}", "give kafka://BROKER:9092/TOPIC, brokers with commas"
        )
    for name, value in parse_qsl(where.query):
        if name not in OPTIONS:
            remedy = f"use {', '.join(OPTIONS)}; {USER} and {PASSWORD} are in the environment"
            raise UsageError(f"{key}.path: {name} is unknown", remedy)
        if OPTIONS[name] and value not in OPTIONS[name]:
            remedy = f"use one of {', '.join(OPTIONS[name])}"
            raise UsageError(f"{key}.path: {name} is {value!r}", remedy)
    return topic


def _consumer(address: str, key: str) -> Any:
    """A consumer that commits nothing by itself."""
    try:
        from kafka import KafkaConsumer
    except ImportError as error:
        remedy = "pip install 'penchant[kafka]'"
        raise UsageError(f"{key}: kafka-python is not installed", remedy) from error
    where = urlsplit(address)
    options: dict[str, Any] = dict(parse_qsl(where.query))
    if USER in os.environ:
        options |= {
            "sasl_plain_username": os.environ[USER],
            "sasl_plain_password": os.environ.get(PASSWORD),
        }
    try:
        return KafkaConsumer(
            bootstrap_servers=where.netloc.split(","),
            group_id=options.pop("group", GROUP),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **options,
        )
    except _errors(AssertionError, ValueError) as error:
        raise _unavailable(address, key, error) from error


def _read(consumer: Any, topic: str, written: BinaryIO, key: str) -> dict[Any, int]:
    """Write the messages up to the present ends of the partitions; return these."""
    from kafka import TopicPartition

    numbers = consumer.partitions_for_topic(topic)
    if not numbers:
        raise UsageError(f"{key}.path: the broker has no topic {topic!r}", "fix the topic")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    consumer.assign(partitions)
    ends: dict[Any, int] = consumer.end_offsets(partitions)
    waiting = {each for each in partitions if consumer.position(each) < ends[each]}
    patience = time.monotonic() + SECONDS
    while waiting:
        found = consumer.poll(timeout_ms=POLL_MS)
        for partition, messages in found.items():
            for message in messages:
                if message.offset < ends[partition] and message.value is not None:
                    written.write(_line(message))
        # markers of transactions and what compaction removed have offsets without a message
        waiting = {each for each in waiting if consumer.position(each) < ends[each]}
        if found:
            patience = time.monotonic() + SECONDS
        elif waiting and time.monotonic() > patience:
            raise PenchantError(
                f"{key}.path: no message of the topic {topic!r} for {SECONDS} s, before the end of "
                f"{len(waiting)} partitions",
                "check the brokers; then ingest again",
            )
    return ends


def _line(message: Any) -> bytes:
    """A message as one line of JSON, with its place."""
    place = {
        "kafka_partition": message.partition,
        "kafka_offset": message.offset,
        "kafka_time": message.timestamp,
    }
    text = message.value.decode("utf-8", errors="replace")
    if not _is_object(text):
        return json.dumps(place | {"unreadable": text}).encode() + b"\n"
    # numbers stay as they are written; between values of JSON a line's end is a space
    rest = text.strip()[1:].replace("\r", " ").replace("\n", " ")
    comma = "" if rest.strip() == "}" else ", "
    return f"{json.dumps(place)[:-1]}{comma}{rest}\n".encode()


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _commit(address: str, key: str, ends: Mapping[Any, int]) -> None:
    from kafka.structs import OffsetAndMetadata

    consumer = _consumer(address, key)
    try:
        consumer.assign(list(ends))
        consumer.commit({each: OffsetAndMetadata(end, "", -1) for each, end in ends.items()})
    except _errors() as error:
        raise _unavailable(address, key, error) from error
    finally:
        consumer.close()


def _errors(*others: type[Exception]) -> tuple[type[Exception], ...]:
    from kafka.errors import KafkaError

    return (KafkaError, OSError, *others)


def _unavailable(address: str, key: str, error: Exception) -> PenchantError:
    where = urlsplit(address)
    return PenchantError(
        f"{key}.path: the topic at {where.netloc}{where.path} can't be read or its offsets not be "
        f"committed: {error or type(error).__name__}",
        f"check the address, its options, {USER} and {PASSWORD}; then ingest again",
    )
