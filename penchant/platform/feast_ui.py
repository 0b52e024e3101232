"""Feast's web UI for the live features; restarts when the live snapshot changes.

A Feast process serves one repository, and each snapshot is a repository.
"""

import subprocess
import sys
import time

from penchant.settings import Settings

POLL_SECONDS = 2.0
SERVE = (
    "import sys;"
    "from penchant.feast_sdk import FeatureStore;"
    "FeatureStore(sys.argv[1]).serve_ui(host='127.0.0.1', port=int(sys.argv[2]), root_path='')"
)


def serve(settings: Settings) -> None:
    """Serve until ended. Waits while no features are live."""
    shown: str | None = None
    server: subprocess.Popen[bytes] | None = None
    while True:
        live = settings.live_features.current()
        if live is not None and live != shown:
            if server is not None:
                server.terminate()
                server.wait()
            repository = settings.online / live
            server = subprocess.Popen(
                [sys.executable, "-c", SERVE, str(repository), str(settings.feast_port)]
            )
            shown = live
        if server is not None and (status := server.poll()) is not None:
            sys.exit(status)
        time.sleep(POLL_SECONDS)


if __name__ == "__main__":
    serve(Settings())
