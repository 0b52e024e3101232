"""How long a test waits for another process or thread before it fails as hung."""

PATIENCE = 300.0  # seconds; on a machine that is not hung a test never waits so long
