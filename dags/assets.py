"""The Assets that connect the DAGs.

An event of SNAPSHOT, FEATURES, MODELS or POLICY carries ``{"snapshot_id": ...}`` in its
``extra``; an event of RELEASE carries ``release_id`` too. An asset-triggered run has no logical
date: the id in the event identifies its input.
"""

from airflow.sdk import Asset

LANDING = Asset(name="landing", uri="penchant://landing", group="penchant")
SNAPSHOT = Asset(name="snapshot", uri="penchant://snapshot", group="penchant")
FEATURES = Asset(name="features", uri="penchant://features", group="penchant")
MODELS = Asset(name="models", uri="penchant://models", group="penchant")
POLICY = Asset(name="policy", uri="penchant://policy", group="penchant")
RELEASE = Asset(name="release", uri="penchant://release", group="penchant")
