"""What monitoring found, on the console and for Prometheus."""

import re

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families
from shown_record import write_record
from small_shop import Shop

from penchant.api.app import create_app
from penchant.settings import Settings


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    """Name and the values of labels, sorted -> value."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_of_the_newest_record(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    assert ("penchant_monitoring_findings",) not in samples(client)
    write_record(settings)
    found = samples(client)
    assert found["penchant_monitoring_findings",] == 1
    assert found["penchant_drift_distance", "events.category_1", "psi"] == 0.5
    assert found["penchant_drift_found", "events.category_1", "features"] == 1
    assert found["penchant_served_click_ratio", "family", "lambdamart"] == 0.05
    assert found["penchant_served_calibration_ratio", "lambdamart"] == 0.9
    assert found["penchant_feature_age_seconds", "events"] == 7200


def test_record_of_another_version_leaves_the_other_metrics(settings: Settings) -> None:
    client = TestClient(create_app(settings))
    write_record(settings)
    (path,) = settings.home.glob("monitoring/s-*/*.json")
    path.write_text("{}")
    assert ("penchant_events_total",) in samples(client)


def test_page_shows_findings_click_rates_and_freshness(published: Shop) -> None:
    write_record(published.settings)
    client = TestClient(create_app(published.settings))
    text = re.sub(r"\s+", " ", client.get("/console/monitoring").text)
    for expected in (
        "TEA vanished",
        "5.00% of 1,000",
        "0.90 clicks per predicted one",
        "<strong>events.category_1</strong>",
        "needs two releases with lists",
    ):
        assert expected in text
