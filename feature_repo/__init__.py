"""Feast definitions: entities, feature views derived from the dbt manifest, feature services."""
