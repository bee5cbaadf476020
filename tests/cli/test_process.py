"""A line that cannot be written never ends the work; names that are not UTF-8 cost nothing."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sonar.cli import main, root
from sonar.cli import process as cli_process
from tests.cli.conftest import Run, write_video

pytestmark = pytest.mark.realtime
FRAMES = 20
QUIET = ("--set", "speech.enabled=false")
SONAR = (sys.executable, "-m", "sonar")


@pytest.fixture
def environment() -> dict[str, str]:
    return {**os.environ, "SONAR_AUDIO__OUTPUT": "null", "PYTHONUNBUFFERED": ""}


def shell(
    line: str, folder: Path, environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run ``line`` in bash with ``sonar`` as a command; fails where any part of a pipe fails."""
    script = f'set -o pipefail; sonar() {{ {sys.executable} -m sonar "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=90, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("out", [">&-", "| head -1 >first"])
def test_a_walk_goes_on_when_its_lines_are_lost(
    video: Path, environment: dict[str, str], out: str
) -> None:
    done = shell(f"sonar run {video} --set speech.enabled=false {out}", video.parent, environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr


def test_a_reader_that_does_not_read_holds_up_nothing() -> None:
    read, write = os.pipe()
    raw = cli_process._Raw(write)
    raw.wait_s = 0.0
    try:
        while raw.lost is None:  # a pipe takes 64 KiB; without the limit this would wait for ever
            assert raw.write(b"x" * 1000) > 0
        assert raw.lost.errno == errno.EAGAIN
    finally:
        os.close(read)
        os.close(write)


def test_a_replay_ends_well_without_its_progress(video: Path, environment: dict[str, str]) -> None:
    done = shell(
        "sonar replay walk.mp4 --out out --no-video 2>/dev/full", video.parent, environment
    )
    assert done.returncode == 0 and f"{FRAMES} frames" in done.stdout
    assert json.loads((video.parent / "out/summary.json").read_text())["complete"] is True


def test_a_terminal_that_goes_away(video: Path, environment: dict[str, str]) -> None:
    """As after ``nohup``: SIGHUP is ignored, and every line fails with EIO."""
    terminal, other = os.openpty()
    process = subprocess.Popen(
        [*SONAR, "run", str(video), *QUIET],
        stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    os.close(other)
    seen = b""
    while b"ready" not in seen:
        seen += os.read(terminal, 1000)
    os.close(terminal)
    assert process.wait(60) == 0


@pytest.mark.parametrize("words", ["config show", "--help"])
def test_a_reader_that_has_had_enough(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    done = shell(f"sonar {words} | head -1", tmp_path, environment)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1 and not done.stderr


@pytest.mark.parametrize("words", ["config show", "models list --json"])
def test_a_result_that_is_lost_is_an_error(
    tmp_path: Path, environment: dict[str, str], words: str
) -> None:
    done = shell(f"sonar {words} >/dev/full", tmp_path, environment)
    assert done.returncode == 3
    assert done.stderr == "sonar: standard output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("json_too", [True, False])
def test_names_on_an_ascii_output(
    tmp_path: Path, environment: dict[str, str], json_too: bool
) -> None:
    write_video(tmp_path / "café.mp4", frames=5)
    plain = {**environment, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    line = "sonar replay café.mp4 --out café --no-video --set speech.enabled=false"
    done = shell(f"{line} {'--json' if json_too else ''}", tmp_path, plain)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii() and "caf" in done.stdout
    if json_too:
        assert os.fsencode(json.loads(done.stdout)["source"]) == os.fsencode("café.mp4")


def test_a_setting_that_is_not_utf_8_is_an_error(sonar: Run) -> None:
    code, _, err = sonar("config", "show", "--set", os.fsdecode(b"engine.model=caf\xe9.onnx"))
    assert code == 2 and "UTF-8" in err and "engine.model" in err


def test_ctrl_c_while_modules_are_imported_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def pressed() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_process, "install", pressed)
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 130


def test_ctrl_c_while_an_extension_is_imported_is_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(**_: object) -> None:
        raise ImportError("initialization failed") from KeyboardInterrupt()

    monkeypatch.setattr(root, "app", interrupted)
    assert root.execute([]) == 130
