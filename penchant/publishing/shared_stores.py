"""What an attempt to publish puts outside of its directory, where machines share stores.

An attempt is ``g-<id>-<fencing_token>``. Its Feast project and its table bear that name, so that no two
publishers ever write the same rows, and whoever is pruned takes nothing from the others.
"""

from penchant.errors import PenchantError
from penchant.feast_sdk import RepoConfig, SqlRegistry, redis_online_store
from penchant.features.repository import project_name, repository_config
from penchant.releases import pgvector_index as nearest_postgres
from penchant.releases.index import table_name
from penchant.settings import Settings

KEYS = ("user_id", "item_id", "scope")


def stores_of(settings: Settings) -> tuple[str, ...]:
    """Those that take the place of a release's own files; part of what it is."""
    named = {"redis": settings.feast_redis, "postgres": settings.vector_postgres}
    return tuple(name for name, where in named.items() if where)


def forget(settings: Settings, attempt: str) -> None:
    """Remove all that the attempt put into shared stores; that there is nothing is no error.

    Raises PenchantError where one of them can't be reached.
    """
    if settings.vector_postgres:
        nearest_postgres.drop(settings.vector_postgres, table_name(attempt))
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
                f"Redis of PENCHANT_FEAST_REDIS did not answer: {error}",
                "see that it runs, then publish again: what is to be removed is kept in mind",
            ) from error
    if settings.feast_registry:
        registry = SqlRegistry(config.registry, config.project, None)
        if project_name(attempt) in {each.name for each in registry.list_projects()}:
            registry.delete_project(project_name(attempt))
        registry.write_engine.dispose()
