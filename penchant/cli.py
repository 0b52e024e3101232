"""The ``penchant`` command: one subcommand per stage.

Every subcommand prints a summary line. With ``--json``, the last line of stdout is one JSON object,
which the DAGs read. Packages are imported inside their subcommand, to keep start-up short.
Exit status: 0 success, 1 failure, 64 invalid arguments or settings, 65 invalid data (a retry won't
help), 66 nothing to do, 69 over budget, 77 refused by the privacy budget.
"""

import atexit
import errno
import gc
import locale
import os
import sys
from pathlib import Path
from typing import NoReturn

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from penchant.commands.data import data
from penchant.commands.insights import insights
from penchant.commands.models import models
from penchant.commands.operations import operations
from penchant.commands.releases import releases
from penchant.commands.services import services
from penchant.commands.subject import subject
from penchant.commands.tokens import token
from penchant.commands.user import echoed
from penchant.errors import DiskFull, NothingToDo, PenchantError, UsageError, is_disk_full
from penchant.logs import configure_logs
from penchant.settings import Settings, unparsed_setting, wrong_setting
from penchant.telemetry import disable_telemetry

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES}

COLLECTED_AFTER = 50_000
"""New objects before Python looks for cycles among them; 700 by default. Imports make millions of
objects that stay, and looking at them took a tenth of the CPU time of a start."""

app = typer.Typer(
    help="Learn what each user is interested in, and serve it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (data, models, releases, insights, services, operations):
    app.add_typer(group)
app.add_typer(token, name="token")
app.add_typer(subject, name="subject")


def main() -> None:
    """Entry point of the process."""
    gc.set_threshold(COLLECTED_AFTER)
    require_utf8()
    ending = Ending()
    atexit.register(ending)
    try:
        run()
        ending.status = 0
    except SystemExit as ended:
        ending.status = ended.code if isinstance(ended.code, int) else None
        raise


def run() -> None:
    """Run the subcommand. Errors with a remedy are printed without a traceback.

    Files are made for the owner only: a home holds what users did.
    """
    os.umask(0o077)
    disable_telemetry()
    configure_logs()
    try:
        app()
    except PenchantError as error:
        end_with(error)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        where = error.filename or f"PENCHANT_HOME ({Settings().home}) or the temporary folder"
        end_with(
            PenchantError(
                f"cannot write to {where}: {error.strerror}",
                "free space or correct the permissions; the same command continues",
            )
        )
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        wrong = "; ".join(wrong_setting(each) for each in error.errors())
        end_with(UsageError(wrong, "fix it in the environment or .env"))
    except SettingsError as error:
        end_with(UsageError(unparsed_setting(error), "fix it in the environment or .env"))
    except Exception as error:  # DuckDB and SQLite have errors of their own
        if not is_disk_full(error):
            raise
        end_with(DiskFull(f"the disk of {Settings().home} is full", "free space and run it again"))


def require_utf8() -> None:
    """Restart the interpreter in UTF-8 mode if the locale has another encoding."""
    encoding = locale.getpreferredencoding(False).lower().replace("-", "")
    if encoding != "utf8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, sys.orig_argv)


class Ending:
    """The last exit handler: the first that is registered runs after all others.

    ``status``: of the subcommand; None where an exception or a signal ends the process. With a
    status, the process ends here: Python would free each object of each module first, which took
    0.7 CPU seconds of a training run. Without one, what libraries print meanwhile is dropped.
    """

    def __init__(self) -> None:
        self.status: int | None = None

    def __call__(self) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        if self.status is not None:
            os._exit(self.status)
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), 2)


def end_with(error: PenchantError) -> NoReturn:
    kind = "nothing to do" if isinstance(error, NothingToDo) else "error"
    typer.echo(f"{kind}: {echoed(str(error))}", err=True)
    sys.exit(error.exit_code)
