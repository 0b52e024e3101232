"""The server process: limits on connections, fair admission of requests, uvicorn's settings."""
