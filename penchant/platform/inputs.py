"""The inputs of the main job as one hash. With the same inputs, nothing has to run again."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from penchant.settings import PROJECT_ROOT, Settings

CODE = ("penchant", "training", "dags", "dbt", "feature_repo", "requirements.lock")
GENERATED = {"target", "logs", "dbt_packages", "__pycache__"}


def inputs_hash(settings: Settings) -> str:
    """Hash of the code, the settings except ports, and the source's files.

    The source's files count by name, size and time of modification; code by content.
    """
    ports = {name for name in Settings.model_fields if name.endswith("_port")}
    digest = hashlib.sha256(settings.model_dump_json(exclude=ports).encode())
    for name in CODE:
        for file in files_below(PROJECT_ROOT / name):
            if not GENERATED.intersection(file.parts):
                digest.update(f"{file.relative_to(PROJECT_ROOT)}\0".encode() + file.read_bytes())
    for path in (settings.source_path, settings.mapping):
        for file in files_below(path) if path else ():
            found = file.stat()
            digest.update(f"{file}\0{found.st_size}\0{found.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def files_below(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from sorted(file for file in path.rglob("*") if file.is_file())


def state_of(settings: Settings) -> dict[str, str]:
    """The live snapshot, features and release, as far as they exist, and a hash of the batches."""
    batches = "\0".join(str(file) for file in files_below(settings.landing))
    found = {"landing": hashlib.sha256(batches.encode()).hexdigest()}
    for pointer in (settings.live_snapshot, settings.live_features, settings.live_release):
        current = pointer.current()
        if current and any(pointer.path.parent.glob(f"{current}*")):
            found[pointer.path.parent.name] = current
    return found
