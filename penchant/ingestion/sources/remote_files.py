"""Files of a mapping on HTTP servers and in object stores, by fsspec.

``https://host/orders.csv`` and, on a server that lists its folders, ``https://host/orders-*.csv``;
``s3://bucket/orders/*.parquet`` and ``gs://…`` with the extra ``objects``. Credentials are the
usual ones: AWS's and Google's environment variables and files. Every ingest downloads all files
that the pattern names: what has landed is recognized by content.
"""

import hashlib
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from penchant.errors import PenchantError, UsageError

if TYPE_CHECKING:
    from fsspec.spec import AbstractFileSystem

PROTOCOLS = ("http", "https", "s3", "gs")
GLOB = "*["  # a question mark begins the query of an address


def is_remote(pattern: str) -> bool:
    """Whether a mapping's path is an address of one of the protocols."""
    return pattern.partition("://")[0] in PROTOCOLS and "://" in pattern


def fetch(pattern: str, workspace: Path, key: str) -> tuple[list[Path], Path]:
    """Download the files that a pattern names; return them, sorted, and the folder of their names.

    Files keep their path below the part of the pattern without wildcards. ``key`` names the
    mapping's key in errors. Raises UsageError where no file is found or the extra is missing, and
    PenchantError where the server doesn't answer.
    """
    import fsspec  # local files have no use of it

    folder = workspace / "remote" / hashlib.sha256(pattern.encode()).hexdigest()[:12]
    try:
        system, path = fsspec.core.url_to_fs(pattern)
        system.invalidate_cache()  # listings of an ingest before
        names = sorted(system.glob(path)) if set(GLOB) & set(path) else [path]
        files = [_download(system, name, folder / _below(path, name)) for name in names]
    except ImportError as error:
        raise UsageError(
            f"{key} is {pattern!r}: {error}", "pip install 'penchant[objects]'"
        ) from error
    except FileNotFoundError as error:
        raise UsageError(f"{key} matches no file: {pattern}", "fix the address") from error
    except (OSError, ValueError, TimeoutError) as error:
        raise PenchantError(
            f"{key}: {pattern} can't be read: {error or type(error).__name__}",
            "check the address, the network and the credentials; then ingest again",
        ) from error
    if not files:
        raise UsageError(f"{key} matches no file: {pattern}", "fix the address")
    return files, folder


def _download(system: "AbstractFileSystem", name: str, local: Path) -> Path:
    local.parent.mkdir(parents=True, exist_ok=True)
    system.get_file(name, str(local))
    return local


def _below(pattern: str, name: str) -> PurePosixPath:
    """The path of a file below the folder that the pattern names without wildcards."""
    fixed = pattern[: min((pattern.find(each) for each in GLOB if each in pattern), default=None)]
    rest = name.removeprefix(fixed.rpartition("/")[0]).lstrip("/").partition("?")[0]
    path = PurePosixPath(rest)
    if ".." in path.parts or not path.name:
        raise ValueError(f"no name of a file: {name!r}")
    return path
