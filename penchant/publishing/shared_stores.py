"""What a publish attempt writes outside of its directory, where machines share stores.

An attempt is named ``r-<id>-<fencing token>``. Its Feast project and its table have that name, so
that no two publishers write the same rows, and the removal of one leaves the others.
"""

from penchant.errors import PenchantError
from penchant.feast_sdk import RepoConfig, SqlRegistry, redis_online_store
from penchant.features.repository import project_name, repository_config
from penchant.releases import pgvector_index
from penchant.releases.index import table_name
from penchant.settings import Settings

KEYS = ("user_id", "item_id", "scope")


def stores_of(settings: Settings) -> tuple[str, ...]:
    """The shared stores that replace files of a release; part of its identity."""
    named = {"redis": settings.feast_redis, "postgres": settings.vector_postgres}
    return tuple(name for name, where in named.items() if where)


def remove(settings: Settings, attempt: str) -> None:
    """Remove everything that an attempt wrote to shared stores, if anything.

    Raises PenchantError where a store can't be reached.
    """
    if settings.vector_postgres:
        pgvector_index.drop(settings.vector_postgres, table_name(attempt))
    if not (settings.feast_redis or settings.feast_registry):
        return
    config = RepoConfig(
        **repository_config(settings, attempt, settings.releases / attempt, read_only=False)
    )
    if settings.feast_redis:
        from redis.exceptions import RedisError

        redis = redis_online_store()
        try:
            for key in KEYS:
                redis.delete_entity_values(config, [key])
        except RedisError as error:
            raise PenchantError(
                f"PENCHANT_FEAST_REDIS: Redis did not answer: {error}",
                "check that it runs, then publish again, which repeats the removal",
            ) from error
    if settings.feast_registry:
        registry = SqlRegistry(config.registry, config.project, None)
        if project_name(attempt) in {each.name for each in registry.list_projects()}:
            registry.delete_project(project_name(attempt))
        registry.write_engine.dispose()
