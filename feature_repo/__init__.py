"""What services may read: entities, views derived from the dbt manifest, feature services."""
