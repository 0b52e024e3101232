"""A ``penchant`` of counters: a snapshot is the number of landed batches. Used by test_wakeups.

``build`` and ``plan-training`` wait while the file ``hold-build`` or ``hold-plan-training`` exists.
"""

import itertools
import json
import sys
import time
from pathlib import Path

STATE = Path(__file__).parent
BEFORE = {
    "build_snapshot": ("landed", "live"),
    "materialize_features": ("live", "features"),
    "train_families": ("features", "selected"),
    "publish_vectors": ("selected", "released"),
}
WRITES = {
    "check": "live",
    "training-sets": "features",
    "select-models": "selected",
    "publish": "released",
}


def read(name: str) -> int:
    path = STATE / name
    return int(path.read_text()) if path.exists() else 0


def write(name: str, value: int) -> None:
    staging = STATE / f".{name}"
    staging.write_text(str(value))
    staging.rename(STATE / name)


def main(subcommand: str, options: dict[str, str]) -> dict[str, object]:
    if subcommand in ("resolve", "reconcile"):
        if options["--dag"] not in BEFORE:
            sys.exit(66)
        newest, done = (read(name) for name in BEFORE[options["--dag"]])
        if newest == done:
            sys.exit(66)
        return {"snapshot_id": str(newest)}
    snapshot = int(options.get("--snapshot", "0"))
    if subcommand == "ingest":
        write("landed", read("landed") + 1)
    if subcommand == "build":
        snapshot = read("landed")
    write(f"began-{subcommand}", read(f"began-{subcommand}") + 1)
    while (STATE / f"hold-{subcommand}").exists():
        time.sleep(0.1)
    if subcommand in WRITES:
        write(WRITES[subcommand], snapshot)
    release_id = f"r-{snapshot}"
    done = {"snapshot_id": str(snapshot), "release_id": release_id}
    return done | {"subcommands": [], "marts": {}}


if __name__ == "__main__":
    name, *rest = [argument for argument in sys.argv[1:] if argument not in ("--json", "--again")]
    pairs = itertools.pairwise(rest)
    print(json.dumps(main(name, {option: value for option, value in pairs if option[:2] == "--"})))
