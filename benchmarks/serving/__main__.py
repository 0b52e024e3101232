"""How fast services are answered, beside what people use.

Run by ``make bench-serving``; ``ARGS="--only PART ..."`` measures a part. What each part measured
is kept in benchmarks/out/serving/PART.json until it is measured again, and docs/serving-speed.md is
written of all that is there. Everything runs on loopback, and the load generator on the same cores.
``recommendations`` and ``features`` ask the live release of the home, so ``make demo`` first.
"""

from pathlib import Path

from benchmarks.parts import Benchmark

HEAD = """# Serving speed

Written by `make bench-serving`. The load generator is on the same machine as what it asks. *At a
rate* is an open loop: a request is sent when it is due whatever became of those before, and its
milliseconds count from when it was due, so no wait is left out (coordinated omission).
"""
ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("recommendations", "features", "search", "hundred_thousand", "million")

if __name__ == "__main__":
    Benchmark("serving", PARTS, HEAD, ROOT / "docs" / "serving-speed.md").main(__doc__ or "")
