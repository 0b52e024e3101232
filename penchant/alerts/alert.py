"""Tell a person: an alert goes to every configured sink, and to a file in the home."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast, get_args

import structlog

from penchant.alerts.sinks import send_mail, send_slack, send_webhook
from penchant.errors import UsageError
from penchant.settings import Settings
from penchant.storage import held_alone

Kind = Literal[
    "task-failed",
    "data-rejected",
    "quarantine",
    "no-release",
    "erasure-due",
    "service-ended",
    "over-budget",
    "policy-refused",
    "drift",
    "api-errors",
]

log = structlog.get_logger()


def kind_of(text: str) -> Kind:
    """Raises UsageError for an unknown kind."""
    for kind in get_args(Kind):
        if kind == text:
            return cast(Kind, kind)
    raise UsageError(f"unknown kind of alert {text!r}", f"use one of {', '.join(get_args(Kind))}")


@dataclass(frozen=True)
class Alert:
    """``key``: an alert of the same kind and key is sent once; None for every time. ``runbook``: a
    link or a command that says what to do."""

    kind: Kind
    text: str
    key: str | None = None
    owner: str = "platform"
    tier: str = "tier-2"
    runbook: str | None = None

    @property
    def line(self) -> str:
        runbook = f" Runbook: {self.runbook}" if self.runbook else ""
        return f"[{self.tier}] {self.kind}: {self.text} Owner: {self.owner}.{runbook}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def send(settings: Settings, alert: Alert) -> tuple[str, ...]:
    """Send an alert; return the sinks that took it. A sink that fails or hangs is logged, and never
    fails the caller. Returns nothing for an alert that was sent before."""
    folder = settings.home / "alerts"
    with held_alone(folder):
        path = folder / "alerts.jsonl"
        if alert.key is not None and path.exists():
            sent = (json.loads(line) for line in path.read_text().splitlines())
            if any((each["kind"], each["key"]) == (alert.kind, alert.key) for each in sent):
                return ()
        record = {"at": datetime.now(UTC).isoformat(), **alert.as_dict()}
        with path.open("a") as file:
            file.write(json.dumps(record) + "\n")
    return ("file", *(name for name, sink in sinks(settings).items() if _took(name, sink, alert)))


def sinks(settings: Settings) -> dict[str, Callable[[Alert], None]]:
    """The configured sinks by name."""
    found: dict[str, Callable[[Alert], None]] = {}
    if (slack := settings.alert_slack_url) is not None:
        found["slack"] = lambda alert: send_slack(slack, alert.line)
    if (webhook := settings.alert_webhook_url) is not None:
        found["webhook"] = lambda alert: send_webhook(webhook, alert.as_dict())
    if (address := settings.alert_email) is not None:
        found["email"] = lambda alert: send_mail(
            settings.alert_smtp, address, f"Penchant: {alert.kind}", alert.line
        )
    return found


def _took(name: str, sink: Callable[[Alert], None], alert: Alert) -> bool:
    try:
        sink(alert)
    except (OSError, ValueError) as error:  # urllib and smtplib raise subclasses of these
        log.warning("alert not delivered", sink=name, cause=f"{type(error).__name__}: {error}")
        return False
    return True
