"""Where alerts go. Each call is bounded: an endpoint that hangs is given up."""

import json
import smtplib
from email.message import EmailMessage
from typing import Any
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10.0


def send_slack(url: str, line: str) -> None:
    """Post to a Slack incoming webhook."""
    send_webhook(url, {"text": line})


def send_webhook(url: str, content: dict[str, Any]) -> None:
    """Post JSON. Raises OSError for an error status or no answer."""
    request = Request(
        url, json.dumps(content).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
        answer.read(1)


def send_mail(server: str, address: str, subject: str, text: str) -> None:
    """Send an e-mail through an SMTP server, ``host:port``. Raises OSError."""
    host, _, port = server.partition(":")
    message = EmailMessage()
    message["From"] = message["To"] = address
    message["Subject"] = subject
    message.set_content(text)
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_SECONDS) as connection:
        connection.send_message(message)
