"""Settings of the server process: threads and garbage collection."""

import gc
import sys

from threadpoolctl import threadpool_limits

SWITCH_SECONDS = 0.0005


def configure_process() -> None:
    """Call once after all imports, before the first request.

    Requests run in parallel and each multiplies small matrices, so BLAS threads within a request
    only wait for each other. Modules are never garbage: frozen, they are not traversed by the
    collector, which pauses every request.

    A thread that computes keeps the interpreter for at most SWITCH_SECONDS while another waits, so
    that a small request isn't slowed down by large ones at each of its steps; Python's default is
    ten times as long.
    """
    threadpool_limits(1)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
