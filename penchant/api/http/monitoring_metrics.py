"""What the newest monitoring record says, as Prometheus gauges."""

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from penchant.artifacts.monitoring import MonitoringRecord


def monitoring_metrics(record: MonitoringRecord | None) -> Iterator[Metric]:
    """Without samples before the first record, so that the names are always there."""
    findings = GaugeMetricFamily(
        "penchant_monitoring_findings", "Findings of the newest monitoring record."
    )
    distance = GaugeMetricFamily(
        "penchant_drift_distance",
        "PSI or Kolmogorov-Smirnov distance of the watched days from the reference days.",
        labels=("quantity", "measure"),
    )
    drifted = GaugeMetricFamily(
        "penchant_drift_found",
        "1 for a quantity of the watched days that drifted.",
        labels=("quantity", "group"),
    )
    click_rate = GaugeMetricFamily(
        "penchant_served_click_ratio",
        "Share of impressions that were clicked on their day, by family and by segment.",
        labels=("by", "name"),
    )
    calibration = GaugeMetricFamily(
        "penchant_served_calibration_ratio",
        "Clicks per predicted one, of families whose scores are probabilities.",
        labels=("family",),
    )
    age = GaugeMetricFamily(
        "penchant_feature_age_seconds",
        "Age of what is served at the end of the snapshot's data.",
        labels=("name",),
    )
    if record is not None:
        findings.add_metric((), len(record.findings))
        for test in record.tests:
            drifted.add_metric((test.name, test.group), test.drifted)
            if test.measure in ("psi", "ks"):
                distance.add_metric((test.name, test.measure), test.value)
        for served in record.served:
            click_rate.add_metric((served.by, served.name), served.click_rate["mean"])
            if served.calibration is not None:
                calibration.add_metric((served.name,), served.calibration)
        for each in record.freshness:
            age.add_metric((each.name,), each.hours * 3600)
    yield from (findings, distance, drifted, click_rate, calibration, age)
