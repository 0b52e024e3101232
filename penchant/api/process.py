"""The serving process as a whole: how it shares its cores, and what its collector looks at."""

import gc

from threadpoolctl import threadpool_limits


def settle() -> None:
    """Call once all is imported, before the first request.

    Requests are answered side by side, and what each multiplies is small: threads of BLAS within
    them would only wait for each other. Modules are never garbage, so the collector, which stops
    every request, need not walk through them.
    """
    threadpool_limits(1)
    gc.collect()
    gc.freeze()
