"""Defaults of the settings."""

from penchant.settings import Settings

BLOCKED = {5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
"""Ports above 1024 that browsers block (bad ports of the Fetch standard)."""


def test_browsers_open_the_default_ports() -> None:
    ports = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if name.endswith("_port")
    }
    assert len(ports) >= 3
    assert not {name for name, port in ports.items() if port in BLOCKED}
