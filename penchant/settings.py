"""Every setting, read here and nowhere else from ``PENCHANT_*`` variables or ``.env``."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from penchant.storage import Pointer

PROJECT_ROOT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where things are and how the platform behaves. Frozen: change the environment instead."""

    model_config = SettingsConfigDict(
        env_prefix="PENCHANT_", env_file=".env", frozen=True, extra="ignore"
    )

    home: Path = Field(PROJECT_ROOT / ".penchant", description="everything Penchant writes")
    dbt_project: Path = Field(PROJECT_ROOT / "dbt", description="the dbt project to build")
    source: str = Field("complete_journey", description="the source that ingest_landing lands")
    source_path: Path | None = Field(
        None, description="folder of the source's files, where it has any"
    )
    mapping: Path | None = Field(None, description="YAML column mapping of the source `files`")
    seed: int = Field(0, description="seed of the simulator and of every training run")
    threads: int = Field(2, gt=0, description="CPU threads for DuckDB and PyTorch")
    trainings_at_once: int = Field(
        2, gt=0, description="training runs at a time, sharing the threads; on GPUs, one for each"
    )
    family_seconds: float = Field(
        240.0, gt=0, description="time budget of one training run, seconds"
    )
    family_memory_mb: int = Field(3000, gt=0, description="memory budget of one training run, MB")

    compression_loss: float = Field(
        0.01,
        ge=0,
        lt=1,
        description="share of NDCG@10 that published vectors may lose to be smaller; 0: none",
    )
    reference_configs: bool = Field(
        False, description="train every family larger and longer, for a GPU or a night"
    )
    published_data: Path | None = Field(
        None, description="folder of the S3-Rec files, for `make bench-quality`"
    )

    airflow_port: int = Field(8080, description="Airflow UI and API")
    mlflow_port: int = Field(5000, description="MLflow UI")
    feast_port: int = Field(8888, description="Feast UI")
    docs_port: int = Field(8081, description="Data Docs, dbt docs and reports")
    api_port: int = Field(6570, description="the API and its console")
    api_host: str = Field("127.0.0.1", description="address the feature reader binds to")

    exploration: float = Field(
        0.0,
        ge=0,
        le=1,
        description="of picks that are by chance among the best candidates until a policy is live",
    )
    experiment_share: float = Field(
        0.2, gt=0, lt=1, description="of users who get a promoted policy while it is tried"
    )
    requests_a_second: float = Field(
        200.0, gt=0, description="that one client of the HTTP API may make, on average"
    )
    audit_days: int = Field(90, gt=0, description="that files of the audit log are kept")

    tracking: str | None = Field(
        None, description="MLflow tracking URI; None keeps a SQLite file in the home"
    )
    feast_registry: str | None = Field(
        None,
        description="SQLAlchemy URL of a shared Feast registry; None keeps one file a snapshot",
    )
    feast_redis: str | None = Field(
        None, description="Redis connection string of the online store; None keeps SQLite files"
    )
    vector_postgres: str | None = Field(
        None,
        description="URL of a Postgres with pgvector for items' vectors; None keeps index files",
    )

    @property
    def training_threads(self) -> int:
        """Of one training run, also by hand: the same threads, the same sums."""
        return max(1, self.threads // self.trainings_at_once)

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    @property
    def quarantine(self) -> Path:
        return self.home / "quarantine"

    @property
    def downloads(self) -> Path:
        """Published files that a source fetched, each verified by its hash."""
        return self.home / "downloads"

    @property
    def feedback(self) -> Path:
        """The log of what was shown and done since the last landing."""
        return self.home / "feedback"

    @property
    def audit(self) -> Path:
        """Who asked the HTTP API for what: a file a day."""
        return self.home / "audit"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file; only ``penchant build`` opens it."""
        return self.home / "warehouse" / "penchant.duckdb"

    @property
    def snapshots(self) -> Path:
        return self.home / "snapshots"

    @property
    def online(self) -> Path:
        """One Feast repository for each materialized snapshot."""
        return self.home / "online"

    @property
    def runs(self) -> Path:
        return self.home / "runs"

    @property
    def releases(self) -> Path:
        return self.home / "releases"

    @property
    def policies(self) -> Path:
        """One directory for each policy that was promoted."""
        return self.home / "policies"

    @property
    def experiments(self) -> Path:
        return self.home / "experiments"

    @property
    def simulation(self) -> Path:
        """What policies did in the world with known truth."""
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
        return Pointer(self.snapshots / "CURRENT")

    @property
    def live_features(self) -> Pointer:
        """The snapshot whose features are online."""
        return Pointer(self.online / "CURRENT")

    @property
    def live_policy(self) -> Pointer:
        """The policy that is served; to control, while an experiment runs."""
        return Pointer(self.policies / "CURRENT")

    @property
    def live_experiment(self) -> Pointer:
        return Pointer(self.experiments / "CURRENT")

    @property
    def live_release(self) -> Pointer:
        return Pointer(self.releases / "CURRENT")
