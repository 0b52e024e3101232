"""The embedded Postgres with Airflow's metadata: its files, command and connections.

The package pgserver provides the programs; its Python API isn't used. The server listens on a Unix
socket in a private folder, so it needs no port and no password.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from penchant.errors import PenchantError
from penchant.platform.processes import die_with_parent
from penchant.settings import Settings

USER = "penchant"
PORT = 5432  # of the socket's name only
SOCKET = f".s.PGSQL.{PORT}"
SOCKET_PATH_BYTES = 100  # Linux allows 107, macOS 103
UNPRIVILEGED = (
    "setpriv",
    "--reuid=nobody",
    "--regid=65534",  # of nobody; the name differs between distributions
    "--clear-groups",
    # the home may be in a folder that only root can enter
    "--inh-caps=+dac_override",
    "--ambient-caps=+dac_override",
    # a change of user clears the signal that die_with_parent set
    "--pdeathsig=KILL",
)
"""Postgres refuses to run as root."""
OPTIONS = {
    "listen_addresses": "",
    "port": str(PORT),
    "shared_buffers": "64MB",
    # a power failure may lose the last transactions, not consistency
    "synchronous_commit": "off",
    # parallel queries need /dev/shm, which is small in containers
    "max_parallel_workers_per_gather": "0",
}


def data_folder(settings: Settings) -> Path:
    return settings.home.resolve() / "postgres"


def socket_folder(settings: Settings) -> Path:
    """The folder of the server's socket: in the home, or in /tmp if libpq can't use that path.

    A socket's path is limited in length, and a comma separates hosts.
    """
    folder = settings.home.resolve() / "platform" / "postgres"
    if len(os.fsencode(folder / SOCKET)) <= SOCKET_PATH_BYTES and "," not in str(folder):
        return folder
    name = hashlib.sha256(os.fsencode(settings.home.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"penchant-{os.geteuid()}-{name}"


def connection_string(settings: Settings, database: str) -> str:
    """A libpq URL of a database of the embedded server."""
    folder = quote(str(socket_folder(settings)), safe="")
    return f"postgresql://{USER}@/{database}?host={folder}&port={PORT}"


def prepare(settings: Settings) -> None:
    """Create the database cluster and the socket folder; remove lock files of a killed server.

    The caller holds the platform's lock, so no server is running in this home.
    """
    create_socket_folder(socket_folder(settings))
    data = data_folder(settings)
    if not (data / "PG_VERSION").exists():
        create_cluster(data)
    for lock in (data / "postmaster.pid", socket_folder(settings) / f"{SOCKET}.lock"):
        remove_stale_lock(lock, data)


def create_socket_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PenchantError(
            f"{folder}, the folder of the database's socket, belongs to another user or is open"
            " to others",
            f"remove {folder}, or set PENCHANT_HOME to a folder with a shorter path",
        )


def create_cluster(data: Path) -> None:
    """Run initdb beside the final folder and rename it, so that a cluster is complete or absent."""
    partial = data.with_name("postgres.partial")
    shutil.rmtree(partial, ignore_errors=True)
    data.parent.mkdir(parents=True, exist_ok=True)
    created = subprocess.run(
        unprivileged(
            str(program("initdb")),
            f"--pgdata={partial}",
            f"--username={USER}",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        preexec_fn=die_with_parent,
        check=False,
    )
    if created.returncode != 0:
        last = "\n".join(created.stdout.splitlines()[-8:])
        raise PenchantError(
            f"initdb could not create Airflow's database in {partial}: {last}",
            "check that the disk has 100 MB left and that PENCHANT_HOME is on a local disk",
        )
    partial.rename(data)


def remove_stale_lock(lock: Path, data: Path) -> None:
    """Remove a server's lock file unless its process exists and uses ``data``.

    Postgres itself refuses to start where the process id has been reused, as after a reboot.
    """
    try:
        pid = int(lock.read_text().split()[0])
        running = str(data) in " ".join(psutil.Process(pid).cmdline())
    except FileNotFoundError:
        return
    except (ValueError, IndexError, psutil.Error):
        running = False
    if not running:
        lock.unlink()


def server_command(settings: Settings) -> tuple[str, ...]:
    options = {**OPTIONS, "unix_socket_directories": f'"{socket_folder(settings)}"'}
    return unprivileged(
        str(program("postgres")),
        "-D",
        str(data_folder(settings)),
        *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
    )


def unprivileged(*command: str) -> tuple[str, ...]:
    """The command as a user other than root."""
    if os.geteuid() != 0:
        return command
    if shutil.which(UNPRIVILEGED[0]) is None:
        raise PenchantError(
            "Postgres does not run as root, and setpriv, which changes the user, is not on PATH",
            "run as another user, or install util-linux",
        )
    return (*UNPRIVILEGED, *command)


def program(name: str) -> Path:
    """A program of Postgres. Finds the package without importing it, which would create files."""
    found = find_spec("pgserver")
    if found is None or found.origin is None:
        raise PenchantError("the Python package pgserver is not installed", "run `make demo`")
    path = Path(found.origin).parent / "pginstall" / "bin" / name
    if not path.is_file():
        raise PenchantError(
            f"pgserver contains no {name} for this machine: {path}", "use Linux or macOS, 64 bit"
        )
    return path


def accepts_connections(url: str) -> bool:
    try:
        psycopg.connect(url, dbname="postgres", connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
