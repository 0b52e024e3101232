"""Settings of the server process: BLAS threads and garbage collection."""

import gc

from threadpoolctl import threadpool_limits


def configure_process() -> None:
    """Call once after all imports, before the first request.

    Requests run in parallel and each multiplies small matrices, so BLAS threads within a request
    only wait for each other. Modules are never garbage: frozen, they are not traversed by the
    collector, which pauses every request.
    """
    threadpool_limits(1)
    gc.collect()
    gc.freeze()
