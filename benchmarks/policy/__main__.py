"""Policies: what they earn, how well a log tells of them, and how fast they are.

Run by ``make bench-policy``; ``ARGS="--only PART ..."`` measures a part. What each part measured is
kept in benchmarks/out/policy/PART.json until it is measured again, and docs/policies.md is written
of all that is there.
"""

from pathlib import Path

from benchmarks.parts import Benchmark

HEAD = """# Policies: exploring, and judging before a user is met

Written by `make bench-policy`. What a policy is: `penchant/policy/`. How one is judged from a log:
`training/evaluation/metrics/off_policy.py`. How one serves: `penchant/serving/exploring/`, by what
[platform engineers](platform-engineers.md#learn-what-to-show) set.
"""
ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("loop", "long_term", "coverage", "open_bandit", "speed")

if __name__ == "__main__":
    Benchmark("policy", PARTS, HEAD, ROOT / "docs" / "policies.md").main(__doc__ or "")
