"""All settings. Only this module reads ``PENCHANT_*`` variables and ``.env``."""

import os
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args, get_origin

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from penchant.storage import Pointer

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Locations, limits, ports and services. Immutable: change the environment instead."""

    model_config = SettingsConfigDict(
        env_prefix="PENCHANT_", env_file=".env", frozen=True, extra="ignore"
    )

    home: Path = Field(PROJECT_ROOT / ".penchant", description="folder that Penchant writes to")
    dbt_project: Path = Field(PROJECT_ROOT / "dbt", description="folder of the dbt project")
    source: str = Field("complete_journey", description="source that ingest_landing lands")
    source_path: Path | None = Field(
        None, description="folder of the source's files; None for sources without files"
    )
    mapping: Path | None = Field(None, description="YAML column mapping of the source `files`")
    as_of: datetime | None = Field(
        None,
        description="exclusive end of the data, such as 2018-01-01; None: after the last business "
        "day",
    )
    seed: int = Field(0, description="seed of the simulator and of every training run")
    threads: int = Field(2, gt=0, description="CPU threads of DuckDB and PyTorch")
    duckdb_memory_mb: int | None = Field(
        None,
        gt=0,
        description="memory of DuckDB in `penchant build`; None for half of the machine's",
    )
    duckdb_temp_mb: int | None = Field(
        None, gt=0, description="disk space that it may spill to; None for 80 % of what is free"
    )
    duckdb_threads: int | None = Field(
        None, gt=0, description="threads of it; None for PENCHANT_THREADS"
    )
    trainings_at_once: int = Field(
        2,
        gt=0,
        description="concurrent training runs, which share the threads; with GPUs: their number",
    )
    family_seconds: float | None = Field(
        None,
        gt=0,
        description="CPU time budget of one training run, in seconds per thread; None for 240, "
        "more with more than 1.5 million interactions",
    )
    family_memory_mb: int | None = Field(
        None,
        gt=0,
        description="memory budget of one training run, in MB; None for 3000, and with more than "
        "1.5 million interactions for more, as far as the machine has it",
    )

    warm_days: int = Field(
        0,
        ge=0,
        description="days of data after a cold snapshot on which families start from its runs; 0 "
        "to fit all from nothing",
    )
    compression_loss: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="share of NDCG@10 that compressed vectors may lose; 0 disables compression",
    )
    reference_configs: bool = Field(
        False, description="larger models and longer training, for a GPU or an overnight run"
    )
    target_event_type: Literal["purchase", "cart", "view", "rating"] | None = Field(
        None,
        description="event type that families predict: purchase, cart, view or rating; None for "
        "the strongest that the shop records, in this order",
    )
    sentence_encoder: Path | None = Field(
        None,
        description="folder of a sentence encoder that the family `content` reads texts with: "
        "`tokenizer.json`, `model.onnx` and its pooling; None for TF-IDF",
    )
    published_data: Path | None = Field(
        None, description="folder of the S3-Rec files, for `make bench-quality`"
    )

    event_types_data: Path | None = Field(
        None, description="folder of the RetailRocket files, for `make bench-event-types`"
    )

    airflow_port: int = Field(8080, description="Airflow UI and API")
    mlflow_port: int = Field(5000, description="MLflow UI")
    feast_port: int = Field(8888, description="Feast UI")
    docs_port: int = Field(8081, description="Data Docs, dbt docs and reports")
    api_port: int = Field(6570, description="HTTP API and console")
    api_host: str = Field("127.0.0.1", description="address that the HTTP API binds to")
    api_hostnames: str = Field(
        "",
        description="host names that the HTTP API answers to besides localhost and addresses, "
        "comma-separated",
    )
    trusted_proxies: str = Field(
        "",
        description="addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are "
        "believed, comma-separated",
    )

    keep_snapshots: int = Field(
        3, gt=0, description="how many of the newest snapshots `penchant prune` keeps"
    )
    airflow_days: int = Field(
        30, gt=0, description="retention of Airflow's runs and logs in its database, in days"
    )

    alert_slack_url: str | None = Field(None, description="Slack incoming webhook for alerts")
    alert_webhook_url: str | None = Field(None, description="URL that alerts are posted to as JSON")
    alert_email: str | None = Field(None, description="e-mail address for alerts")
    alert_smtp: str = Field("127.0.0.1:25", description="SMTP server for alerts, host:port")
    release_hours: float = Field(
        24.0, gt=0, description="hours from a checked snapshot to its release, then an alert"
    )

    exploration: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of actions drawn at random among the best while no policy is live",
    )
    experiment_share: float = Field(
        0.2, gt=0, lt=1, description="share of users in the treatment arm of an experiment"
    )
    requests_a_second: float = Field(
        200.0,
        gt=0,
        description="rate limit of one client of the HTTP API, in requests per second; a large one "
        "counts as several",
    )
    cors_origins: tuple[str, ...] = Field(
        (),
        description='origins whose pages may call the HTTP API, as JSON: `["https://shop.example"]`',
    )
    otlp_endpoint: str | None = Field(
        None,
        description="URL of an OpenTelemetry collector (OTLP over HTTP) for spans of the API, and "
        "metrics and spans of Airflow; None for none",
    )
    lineage: str | None = Field(
        None,
        description="URL or file that OpenLineage events of builds, trainings and releases go to, "
        "such as http://127.0.0.1:5000/api/v1/lineage; None for none",
    )
    audit_days: int = Field(90, gt=0, description="retention of the audit log, in days")

    pseudonyms: bool = Field(
        True,
        description="whether a new home holds pseudonyms in place of user ids; later changes have "
        "no effect",
    )
    retention_days: int | None = Field(
        None,
        gt=0,
        le=36_525,
        description="days after its event that a landed row is kept; None for no end. A source "
        "table's meta.retention_days in dbt overrides it",
    )
    dp_epsilon: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="epsilon of each training run under differential privacy; None for training "
        "without",
    )
    dp_delta: float = Field(
        1e-6, gt=0, lt=1, description="delta of each such run and of all together"
    )
    dp_budget: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="epsilon that all runs of the home may spend together; required with "
        "PENCHANT_DP_EPSILON",
    )
    encrypt: bool = Field(
        False,
        description="whether a new home encrypts its files; needs a key outside of the home; later "
        "changes have no effect, `penchant encrypt` encrypts an existing home",
    )
    key: SecretStr | None = Field(
        None, description="the home's key, 64 hex digits; None for the file `privacy/key`"
    )
    key_file: Path | None = Field(None, description="file with the key, instead of PENCHANT_KEY")
    key_command: str | None = Field(
        None, description="command that prints the key, instead of PENCHANT_KEY"
    )

    ranking_probability_weight: float = Field(
        1.0,
        ge=0,
        description="exponent of an item's purchase probability in the score of the ranking model",
    )
    ranking_value_weight: float = Field(
        0.0, ge=0, description="exponent of an item's price in the score of the ranking model"
    )
    ranking_exploration_weight: float = Field(
        0.0,
        ge=0,
        description="bonus of an item that nobody bought lately in the score of the ranking model",
    )
    flower: Path = Field(
        PROJECT_ROOT / ".venv-flower",
        description="virtual environment with Flower, for `penchant federate`",
    )
    tracking: str | None = Field(
        None, description="MLflow tracking URI; None for a SQLite file in the home"
    )
    feast_registry: str | None = Field(
        None,
        description="SQLAlchemy URL of a shared Feast registry; None for one file per snapshot",
    )
    feast_redis: str | None = Field(
        None, description="Redis connection string of the online store; None for SQLite files"
    )
    vector_postgres: str | None = Field(
        None,
        description="URL of a Postgres with pgvector for item vectors; None for index files",
    )

    @property
    def training_threads(self) -> int:
        """Threads of one training run, also by hand, so that sums are the same."""
        return max(1, self.threads // self.trainings_at_once)

    @property
    def hostnames(self) -> tuple[str, ...]:
        """``api_hostnames`` as a list."""
        return tuple(name.strip() for name in self.api_hostnames.split(",") if name.strip())

    @property
    def local_token(self) -> Path:
        """The secret of the home's first token, for this machine's owner."""
        return self.home / "token"

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine"

    @property
    def downloads(self) -> Path:
        """Published files that a source downloaded, verified by hash."""
        return self.home / "downloads"

    @property
    def feedback(self) -> Path:
        """The log of impressions and outcomes since the last landing."""
        return self.home / "feedback"

    @property
    def audit(self) -> Path:
        """The audit log of the HTTP API: one file per day."""
        return self.home / "audit"

    @property
    def privacy(self) -> Path:
        """The key of pseudonyms, people's requests and the receipts."""
        return self.home / "privacy"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file. Only ``penchant build`` opens it."""
        return self.home / "warehouse" / "penchant.duckdb"

    @property
    def snapshots(self) -> Path:
        return self.home / "snapshots"

    def snapshot_lock(self, snapshot_id: str) -> Path:
        """Held by every stage that works on a snapshot, so that it isn't pruned meanwhile."""
        return self.home / "pruning" / f"{snapshot_id}.lock"

    @property
    def online(self) -> Path:
        """One Feast repository per materialized snapshot."""
        return self.home / "online"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def policies(self) -> Path:
        """One directory per promoted policy."""
        return self.home / "policies"

    @property
    def experiments(self) -> Path:
        return self.home / "experiments"

    @property
    def simulation(self) -> Path:
        """Results of policies in the simulated world with known ground truth."""
        return self.home / "simulation"

    @property
    def site(self) -> Path:
        """Static pages: Data Docs, dbt docs, reports."""
        return self.home / "site"

    @property
    def mlflow_uri(self) -> str:
        return self.tracking or f"sqlite:///{self.home / 'mlflow' / 'mlflow.db'}"

    @property
    def live_snapshot(self) -> Pointer:
        """The last snapshot that passed its checks."""
        return _pointer(self.home, "snapshots")

    @property
    def live_features(self) -> Pointer:
        """The snapshot whose features are online."""
        return _pointer(self.home, "online")

    @property
    def live_policy(self) -> Pointer:
        """The policy in use; while an experiment runs, the policy of the control arm."""
        return _pointer(self.home, "policies")

    @property
    def live_experiment(self) -> Pointer:
        return _pointer(self.home, "experiments")

    @property
    def live_release(self) -> Pointer:
        return _pointer(self.home, "releases")


@lru_cache(64)
def _pointer(home: Path, folder: str) -> Pointer:
    """Made once: each request reads several."""
    return Pointer(home / folder / "CURRENT")


def wrong_setting(error: ErrorDetails) -> str:
    """Describe one validation error of ``Settings``: the variable, the requirement, the value."""
    name = str(error["loc"][0])
    required = requirement(Settings.model_fields[name])
    return f"PENCHANT_{name.upper()}: must be {required}, got {error['input']!r}"


def unparsed_setting(error: SettingsError) -> str:
    """Describe a value that is no JSON, for a setting that is a list."""
    name = str(error).split('"')[1]
    given = os.environ.get(f"PENCHANT_{name.upper()}", "the value in .env")
    return f"PENCHANT_{name.upper()}: must be a JSON list, got {given!r}"


def requirement(field: FieldInfo) -> str:
    """The values that a setting accepts, in words: ``a positive integer``."""
    if get_origin(field.annotation) is tuple:
        return "a JSON list"
    choices = [value for kind in get_args(field.annotation) for value in get_args(kind)]
    if choices:
        return f"one of {', '.join(choices)}"
    nouns = {int: "integer", float: "number", bool: "boolean"}
    kinds = get_args(field.annotation) or (field.annotation,)
    noun = next((nouns[kind] for kind in nouns if kind in kinds), "path")
    bounds = {
        name: getattr(bound, name)
        for bound in field.metadata
        for name in ("gt", "ge", "lt", "le")
        if hasattr(bound, name)
    }
    if bounds == {"gt": 0}:
        return f"a positive {noun}"
    words = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    limits = " and ".join(f"{words[name]} {bound:g}" for name, bound in bounds.items())
    return f"{'an' if noun == 'integer' else 'a'} {noun} {limits}".rstrip()
