"""Settings that a newcomer never sets must work for them."""

from penchant.settings import Settings

BLOCKED = {5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
"""Ports from 1,025 on that browsers refuse to open (the fetch standard's bad ports)."""


def test_a_browser_opens_what_is_served() -> None:
    ports = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if name.endswith("_port")
    }
    assert len(ports) >= 3
    assert not {name for name, port in ports.items() if port in BLOCKED}
