"""Models of the routes with larger bodies; ``penchant.api_schemas`` has the others."""
