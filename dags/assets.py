"""What each DAG leaves behind, and what starts the next one: the chain of the main job.

An event of SNAPSHOT, FEATURES, MODELS or POLICY carries ``{"snapshot_id": ...}`` in its ``extra``;
one of RELEASE carries ``release_id`` too. A run that an Asset started has no logical date:
the id in the event is all it knows.
"""

from airflow.sdk import Asset

LANDING = Asset(name="landing", uri="penchant://landing", group="penchant")
SNAPSHOT = Asset(name="snapshot", uri="penchant://snapshot", group="penchant")
FEATURES = Asset(name="features", uri="penchant://features", group="penchant")
MODELS = Asset(name="models", uri="penchant://models", group="penchant")
POLICY = Asset(name="policy", uri="penchant://policy", group="penchant")
RELEASE = Asset(name="release", uri="penchant://release", group="penchant")
