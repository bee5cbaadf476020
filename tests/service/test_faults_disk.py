"""Faults of disks and of the synthesizer under the whole guide: recording and words are lost,
guidance is not."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from guide_kit import Service

from sonar.audio.speech import bank as speech
from sonar.clock import SystemClock
from sonar.service.guide import recorder as recorders
from sonar.service.logs import JsonLog

pytestmark = pytest.mark.realtime


# -- disks ----------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one megabyte."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "sonar-test", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=10)
    except OSError as error:
        pytest.skip(f"mount: {error}")
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], timeout=10)


RECORDING = ("service.recording.enabled=true",)


@pytest.mark.parametrize("how", ["full", "read_only"])
def test_a_disk_that_fills_up_or_becomes_read_only_while_running(
    serve: Callable[..., Service], small_disk: Path, how: str
) -> None:
    service = serve(folder=small_disk / "rec", sets=RECORDING)
    ring = small_disk / "rec/ring"
    service.wait(lambda: bool(recorders.parts(ring)), "a recording")
    if how == "full":
        with (
            (small_disk / "other").open("wb", buffering=0) as file,
            pytest.raises(OSError, match="space"),
        ):
            while True:
                file.write(b"x" * 4096)
    else:
        remount = ["mount", "-o", "remount,ro", str(small_disk)]
        if subprocess.run(remount, capture_output=True, timeout=10).returncode:
            # Busy: take the folder away instead. Its own files are open.
            ring.rename(small_disk / "rec/away")
            ring.write_text("no folder")
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it", 20)
    service.wait_frames(20)
    assert service.states()[-1][0] in ("guiding", "degraded") and service.raised is None


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """A full disk under standard error, and a reader that went away."""
    full = os.open("/dev/full", os.O_WRONLY)
    reading, writing = os.pipe()
    os.close(reading)
    for fd in (full, writing):
        log = JsonLog("guide", SystemClock(), fd)
        log("figures", fps=20)
        assert log.lost == 1
        os.close(fd)


def test_a_log_that_nobody_reads_holds_up_nobody() -> None:
    reading, writing = os.pipe()
    log = JsonLog("guide", SystemClock(), writing)

    def fill() -> None:
        while not log.lost:
            log("cue", why="close " * 100)

    writer = threading.Thread(target=fill, daemon=True)
    writer.start()
    writer.join(10)
    assert log.lost == 1
    os.read(reading, 1 << 20)
    log("cue", name="after")
    assert b'"after"' in os.read(reading, 1 << 20) and log.lost == 1
    os.close(reading)
    os.close(writing)


def test_a_kept_recording_that_finds_no_room_is_announced(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(folder=tmp_path, sets=RECORDING)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    service.wait(lambda: bool(recorders.parts(tmp_path / "ring")), "a recording")
    monkeypatch.setattr(Path, "rename", full)
    service.guide.keep("button")
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it")
    service.wait_frames(10)


# -- speech ---------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_synthesizer_that_is_killed_or_hangs_is_replaced(
    serve: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    service = serve(sets=("speech.enabled=true",))
    run = service.guide.running
    assert run is not None
    bank = run.speech

    def worker() -> Any:
        return getattr(bank._worker, "_process", None)

    service.wait(lambda: worker() is not None and bank.status.ready > 0, "a synthesizer")
    victim, ready = worker(), bank.status.ready
    os.kill(victim.pid, number)
    frames = service.beats[-1].frames
    service.wait(lambda: worker() not in (None, victim), "another", 30)
    service.wait(lambda: bank.status.ready > ready, "more phrases", 30)
    service.wait(lambda: service.beats[-1].frames > frames, "more frames")
    assert service.raised is None


def test_a_synthesizer_that_is_lost_for_good_is_announced_and_tones_go_on(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    monkeypatch.setitem(speech.SpeechBank.__init__.__kwdefaults__, "command", ("false",))
    service = serve(sets=("speech.enabled=true",))
    service.wait(lambda: bool(service.logged("speech_lost")), "word of it", 20)
    service.wait_frames(40)
    assert len(service.logged("speech_lost")) == 1
