"""Install what requirements.lock names, and Penchant, into the environment that runs this file.

One progress line; all that pip prints is in install.log in the environment. `make` runs it with
.venv/bin/python. On Linux without an NVIDIA GPU torch comes from PyTorch's index of CPU builds,
because PyPI's build needs gigabytes of CUDA packages. Where pip is configured with an index or a
folder of wheels of your own, or PyTorch's index can't be reached, torch comes from pip's own index.
"""

import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
LOG = Path(sys.prefix) / "install.log"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
SOURCES = re.compile(r"\.(index-url|extra-index-url|find-links|no-index)=")
PACKAGE = re.compile(r"(Collecting|Requirement already satisfied:|Processing|Obtaining) ")
QUOTED = re.compile(r"'[^']*'|\d+")
LAST_LINES = 12
MEANINGS = {
    "Location '": "a folder of wheels or an index that pip is configured with doesn't exist;"
    " `pip config list` names it",
    "Retrying (": "an index answered late or not at all; pip asked again",
    "Skipping page": "an index answered with a page that lists no packages; pip passed it over",
    "The index url": "an index is addressed without https; pip passed it over",
}
"""Beginnings of warnings of pip, and what they mean."""


def main() -> int:
    started = time.monotonic()
    lines = LOCK.read_text().splitlines()
    torch = next(line for line in lines if line.startswith("torch=="))
    packages = sum(1 for line in lines if "==" in line and not line.startswith("#"))
    progress = Progress(packages, started)
    LOG.unlink(missing_ok=True)
    if wants_cpu_index(platform.system(), platform.machine(), has_gpu(), pip_config()):
        # one attempt: a closed network drops the packets of a connection
        only = ("--no-deps", "--retries", "0", "--timeout", "10", "--index-url", CPU_INDEX)
        if run(("install", *only, torch), progress) != 0:
            LOG.unlink()
            note(f"{CPU_INDEX} can't be reached: torch comes from pip's index, maybe with CUDA.")
    for arguments in (
        ("-c", str(LOCK), torch),  # resolved: only torch knows the CUDA packages of its build
        ("--no-deps", "-r", str(LOCK)),  # complete, so pip need not resolve
        ("--no-deps", "-e", str(ROOT), "-e", str(ROOT / "client")),
    ):
        if status := run(("install", *arguments), progress):
            progress.end()
            print_failure()
            return status
    progress.end()
    note(f"Installed {packages} packages in {time.monotonic() - started:.0f} s.")
    for warning in explained(LOG.read_text().splitlines()):
        note(warning)
    return 0


def has_gpu() -> bool:
    return shutil.which("nvidia-smi") is not None or Path("/dev/nvidia0").exists()


def pip_config() -> str:
    """The configuration of pip, from files and the environment: a line per option."""
    return subprocess.run((*PIP, "config", "list"), capture_output=True, text=True).stdout


def wants_cpu_index(system: str, machine: str, gpu: bool, config: str) -> bool:
    """Whether torch is to come from PyTorch's index: not from sources that somebody chose."""
    return (system, machine) == ("Linux", "x86_64") and not gpu and not SOURCES.search(config)


class Progress:
    """One line that is rewritten on a terminal, and printed once elsewhere."""

    def __init__(self, packages: int, started: float) -> None:
        self._packages, self._started, self._seen = packages, started, 0
        self._rewrites = sys.stdout.isatty()
        if not self._rewrites:
            note(f"Installing {packages} packages; the first time takes a few minutes.")

    def show(self, line: str) -> None:
        """Count a package of pip's output and show how far the installation is."""
        if PACKAGE.match(line):
            self._seen = min(self._seen + 1, self._packages)
        if self._rewrites:
            seconds = time.monotonic() - self._started
            done = f"{self._seen} of {self._packages} packages found"
            print(f"\rInstalling: {done}, {seconds:.0f} s ", end="", flush=True)

    def end(self) -> None:
        if self._rewrites:
            print("\r\033[K", end="", flush=True)


def run(arguments: Sequence[str], progress: Progress) -> int:
    """Run pip; return its exit status. Its output goes to the log."""
    process = subprocess.Popen(
        (*PIP, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    assert process.stdout is not None
    with LOG.open("a", errors="replace") as log:
        for line in process.stdout:
            log.write(line)
            progress.show(line)
    return process.wait()


def explained(lines: Sequence[str]) -> Iterator[str]:
    """A line for each kind of warning of pip, with its meaning where that is known.

    pip repeats a warning for each package, with another address in quotes.
    """
    texts = [line.removeprefix("WARNING: ").strip() for line in lines if line[:9] == "WARNING: "]
    kinds: dict[str, list[str]] = {}
    for text in texts:
        kinds.setdefault(QUOTED.sub("", text), []).append(text)
    for first, *others in kinds.values():
        meaning = next((MEANINGS[start] for start in MEANINGS if first.startswith(start)), None)
        more = f" and {len(others)} more like it" if others else ""
        yield f"pip warned: {first}{more}" + (f" ({meaning})" if meaning else "")
    if texts:
        yield f"The installation is complete all the same. pip's output: {LOG}"


def print_failure() -> None:
    lines = LOG.read_text(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR: ")]
    print("error: pip could not install the packages:", file=sys.stderr)
    for line in errors or lines[-LAST_LINES:]:
        print(f"  {line}", file=sys.stderr)
    print(f"  all of its output: {LOG}", file=sys.stderr)
    print("  what to do: check disk and network, then run the same command again", file=sys.stderr)


def note(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
