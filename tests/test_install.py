"""The installation: the source of torch, its progress line, warnings and failures."""

import sys
from pathlib import Path

import pytest

import install

LOCK = "# a comment\ntorch==2.13.0\nfilelock==3.20.0\n"


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script in the place of pip, which appends its arguments to a file."""
    (tmp_path / "requirements.lock").write_text(LOCK)
    script = tmp_path / "pip.py"
    monkeypatch.setattr(install, "LOCK", tmp_path / "requirements.lock")
    monkeypatch.setattr(install, "LOG", tmp_path / "install.log")
    monkeypatch.setattr(install, "PIP", (sys.executable, str(script)))
    monkeypatch.setattr(install, "pip_config", lambda: "")
    monkeypatch.setattr(install, "has_gpu", lambda: False)
    return script


def fake(script: Path, *lines: str) -> None:
    called = f"open({str(script.with_name('calls'))!r}, 'a').write(' '.join(sys.argv) + '\\n')"
    script.write_text("\n".join(["import sys", called, *lines]))


def calls(script: Path) -> list[str]:
    return script.with_name("calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("system", "machine", "gpu", "config", "wanted"),
    [
        ("Linux", "x86_64", False, "", True),
        ("Linux", "x86_64", False, "global.timeout='60'", True),
        ("Linux", "x86_64", True, "", False),
        ("Darwin", "arm64", False, "", False),
        ("Linux", "x86_64", False, "global.index-url='https://pypi.example.org/simple'", False),
        ("Linux", "x86_64", False, ":env:.find-links='/wheels'", False),
    ],
)
def test_cpu_builds_come_from_pytorch_unless_somebody_chose_a_source(
    system: str, machine: str, gpu: bool, config: str, wanted: bool
) -> None:
    assert install.wants_cpu_index(system, machine, gpu, config) is wanted


def test_unreachable_cpu_index_leaves_torch_to_the_own_index(
    pip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "wants_cpu_index", lambda *_: True)
    fake(pip, "print('ERROR: no such host')", "sys.exit('--index-url' in sys.argv)")
    assert install.main() == 0
    first, second, *_ = calls(pip)
    assert install.CPU_INDEX in first and "--no-deps" in first
    assert second.endswith("torch==2.13.0") and "--no-deps" not in second
    assert "can't be reached" in capsys.readouterr().out


def test_warnings_are_explained_and_output_is_one_progress_line(
    pip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "wants_cpu_index", lambda *_: False)
    lines = [f"WARNING: Location '/no/{name}' is ignored" for name in "abc"]
    fake(pip, "print('Collecting a')", f"print({chr(10).join(lines)!r})")
    assert install.main() == 0
    started, ended, warning, reassurance = capsys.readouterr().out.splitlines()
    assert started == "Installing 2 packages; the first time takes a few minutes."
    assert ended.startswith("Installed 2 packages in ")
    assert "Location '/no/a' is ignored and 8 more like it (a folder of wheels" in warning
    assert reassurance.startswith("The installation is complete all the same")


def test_failure_shows_the_errors_and_the_log(
    pip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "wants_cpu_index", lambda *_: False)
    fake(pip, "print('Collecting a')", "print('ERROR: No space left on device')", "sys.exit(2)")
    assert install.main() == 2
    assert len(calls(pip)) == 1
    shown = capsys.readouterr().err
    assert "ERROR: No space left on device" in shown and "install.log" in shown
    assert "what to do: check disk and network" in shown
