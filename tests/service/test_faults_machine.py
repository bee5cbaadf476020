"""Faults of the machine under the whole guide: memory, processor, clock, model file, disk, speech.

Real time, real zones and mixer; memory and heat are told by files as Linux tells them.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from guide_kit import DEPTH, PICTURES, Camera, Service

from sonar.capture import LiveSource
from sonar.clock import SystemClock
from sonar.config import SonarConfig
from sonar.depth.fakes import FakeEngine
from sonar.errors import OutputError
from sonar.service import memory, segments
from sonar.service.memory import LOW_MB, STALLED_PERCENT, MemoryWatch
from sonar.service.sysfs import Memory
from sonar.types import DepthMap, Frame


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def start(**options: Any) -> Service:
        service = Service(**options)
        made.append(service)
        service.wait(lambda: service.beats[-1:] and service.beats[-1].frames > 5, "guidance")
        return service

    yield start
    for service in made:
        if service._thread.is_alive():
            service.stop()


def told(service: Service) -> list[tuple[str | None, tuple[str, ...]]]:
    """Earcons and phrases that the newest mixer was asked for from now on."""
    asked: list[tuple[str | None, tuple[str, ...]]] = []
    mixer = service.mixers[-1]
    tell = mixer.tell

    def note(earcon: str | None = None, *keys: str) -> None:
        asked.append((earcon, keys))
        tell(earcon, *keys)

    mixer.tell = note
    return asked


# -- memory ---------------------------------------------------------------------------------------


class Machine:
    """/sys and /proc of a machine whose memory the test decides."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "sys/class").mkdir(parents=True)
        (folder / "proc/pressure").mkdir(parents=True)
        self.memory(2000.0, 0.0)

    def memory(self, available_mb: float, stalled_percent: float) -> None:
        proc = self.folder / "proc"
        for name, text in (
            ("meminfo", f"MemTotal: 4000000 kB\nMemAvailable: {round(available_mb * 1000)} kB\n"),
            (
                "pressure/memory",
                f"some avg10={stalled_percent:.2f} avg60=0.00 avg300=0.00 total=1\n"
                "full avg10=99.00 avg60=0.00 avg300=0.00 total=1\n",
            ),
        ):
            part = proc / f"{name}.part"
            part.write_text(text)
            part.replace(proc / name)


@pytest.mark.parametrize(
    ("available_mb", "stalled_percent"), [(LOW_MB / 2, 0.0), (2000.0, STALLED_PERCENT + 20)]
)
def test_memory_pressure_pauses_the_recording_and_is_told(
    serve: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    available_mb: float,
    stalled_percent: float,
) -> None:
    monkeypatch.setattr(memory, "WELL_S", 0.5)
    machine = Machine(tmp_path)
    service = serve(
        machine=tmp_path,
        folder=tmp_path / "rec",
        sets=("service.recording.enabled=true", "service.recording.rate_hz=20"),
    )
    ring = tmp_path / "rec/ring"
    service.wait(lambda: bool(segments.stems(ring)), "a recording")
    asked = told(service)
    machine.memory(available_mb, stalled_percent)
    service.wait(lambda: bool(service.logged("memory_low")), "word of it", 10)
    assert service.logged("memory_low")[0]["recording"] == "paused"
    service.wait(lambda: ("degraded", ("state_memory_low",)) in asked, "it to be said")
    time.sleep(0.3)
    recorder = service.guide._recorder
    assert recorder is not None and recorder._segment is None  # its pictures and encoder are freed
    size = segments.size_bytes(ring)
    service.wait_frames(15)  # it guides on
    assert segments.size_bytes(ring) == size
    machine.memory(2000.0, 0.0)
    service.wait(lambda: bool(service.logged("memory_well")), "recovery", 15)
    service.wait(lambda: segments.size_bytes(ring) > size, "the recording to go on", 10)
    assert len(service.logged("memory_low")) == 1


def test_memory_must_be_well_for_a_while() -> None:
    watch = MemoryWatch()
    short, well = Memory(LOW_MB - 1, 0.0), Memory(500.0, 0.0)
    assert watch.update(short, 0.0) and watch.low
    assert not watch.update(well, 1.0) and not watch.update(well, 25.0)
    assert not watch.update(short, 26.0)
    assert not watch.update(well, 27.0) and not watch.update(well, 56.0)
    assert watch.update(well, 57.1) and not watch.low
    assert not watch.update(Memory(), 58.0)  # a system that does not tell is not short


def test_memory_is_read_as_linux_tells_it(tmp_path: Path) -> None:
    from sonar.service.sysfs import memory as read

    Machine(tmp_path).memory(1234.5, 3.25)
    assert read(tmp_path / "sys", tmp_path / "proc") == Memory(1234.5, 3.25)
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("500000000\n")
    (group / "memory.current").write_text("450000000\n")
    (group / "memory.pressure").write_text("some avg10=12.50 avg60=0 avg300=0 total=0\n")
    assert read(tmp_path / "sys", tmp_path / "proc") == Memory(50.0, 12.5)
    (group / "memory.max").write_text("max\n")
    assert read(tmp_path / "sys", tmp_path / "proc") == Memory(1234.5, 12.5)
    assert read(tmp_path / "none", tmp_path / "none") == Memory()


def test_no_memory_in_inference_is_a_fault_with_a_reason_and_mended(
    serve: Callable[..., Service],
) -> None:
    short = [False]

    def depth(frame: Frame) -> DepthMap:
        if short[0]:
            raise MemoryError
        return DEPTH

    opened: list[int] = []

    def engine(config: SonarConfig) -> FakeEngine:
        opened.append(1)
        if short[0]:
            raise MemoryError  # there is none for a new one either
        return FakeEngine(depth)

    service = serve(engine=engine)
    short[0] = True
    service.wait(lambda: ("degraded", "depth_failed") in service.states(), "degraded")
    # After 25 failures it is opened anew, which fails for want of memory too, and is told.
    service.wait(lambda: bool(service.logged("engine_not_opened")), "a try")
    assert service.logged("engine_not_opened")[0]["problem"] == "MemoryError"
    assert service._thread.is_alive() and service.raised is None
    short[0] = False
    service.wait(lambda: service.states()[-1][1] != "depth_failed", "recovery")


def test_no_memory_for_the_recording_costs_pictures_only(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(folder=tmp_path, sets=("service.recording.enabled=true",))

    def none(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(segments.Segment, "picture", none)
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it")
    assert "memory" in service.logged("recording_failed")[0]["problem"]
    service.wait_frames(10)
    recorder = service.guide._recorder
    assert recorder is not None and recorder._thread.is_alive()


def test_networks_opened_anew_do_not_pile_up() -> None:
    """Each restart of the real network once cost its size again: glibc kept what was freed."""
    pytest.importorskip("onnxruntime")
    code = """
import threading, numpy as np
from sonar import app
from sonar.clock import SystemClock
from sonar.config.load import load_config
from sonar.service import memory, sysfs
from sonar.service.guard import GuardedEngine
from sonar.types import Frame
config = load_config("headless", ["engine.backend=onnx"])
clock = SystemClock()
open_one = lambda: app.open_engine(config)
engine = GuardedEngine(open_one(), open_one, clock, lambda *a, **k: None, 5.0)
engine.warm_up(480, 640)
image = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)
sizes = []
for i in range(9):
    engine.change(open_one)
    while engine.restarts <= i:
        engine.estimate(Frame(image, i, 0.0))
    engine.estimate(Frame(image, i, 0.0))
    for thread in threading.enumerate():
        if thread.name == "release":
            thread.join()
    memory.release()
    sizes.append(sysfs.memory_mb())
print(*sizes)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    sizes = [float(word) for word in done.stdout.split()]
    assert min(sizes[-3:]) - min(sizes[:3]) <= 5.0, sizes


# -- the processor --------------------------------------------------------------------------------


def test_a_processor_at_a_quarter_is_adapted_to_without_lag_and_told(
    serve: Callable[..., Service],
) -> None:
    """Each picture takes four times as long: fewer are taken, none is old, and it is said."""
    work_s = [0.04]

    def depth(frame: Frame) -> DepthMap:
        time.sleep(work_s[0])
        return DEPTH

    engines: list[str] = []

    def engine(config: SonarConfig) -> FakeEngine:
        engines.append(config.engine.model)
        return FakeEngine(depth, label=config.engine.model)

    moving = [np.roll(PICTURES[i % 8], 3 * i, 1) for i in range(4000)]
    service = serve(
        engine=engine,
        script=lambda: list(moving),
        sets=("service.governor.enabled=true", "service.governor.eco_model=builtin"),
    )
    asked = told(service)
    work_s[0] = 0.16
    service.wait(lambda: bool(service.logged("governor")), "word of it", 20)
    assert service.logged("governor")[0]["what"] == "slow"
    assert ("degraded", ("state_slow",)) in asked
    service.wait(lambda: len(engines) >= 2, "the faster model", 10)
    run = service.guide._run
    assert run is not None
    assert run.source.rate_limit_hz < 1.0 / 0.16
    time.sleep(1.0)
    count, _ = run.sink.inner.ages.since(0)  # type: ignore[union-attr]
    time.sleep(2.5)
    _, ages_s = run.sink.inner.ages.since(count)  # type: ignore[union-attr]
    assert ages_s.size == 0 or float(np.max(ages_s)) < 0.16 + 0.25  # one picture's work, no queue
    assert service.states()[-1][0] in ("guiding", "degraded")


# -- time -----------------------------------------------------------------------------------------


class SteppedClock(SystemClock):
    """Its wall clock is set; of a machine that slept, the other may jump too."""

    def __init__(self) -> None:
        self.wall_offset_s = self.slept_s = 0.0

    def wall(self) -> float:
        return super().wall() + self.wall_offset_s

    def now(self) -> float:
        return super().now() + self.slept_s


@pytest.mark.parametrize("jump_s", [-3600.0, 86_400.0 * 365])
def test_a_clock_that_is_set_changes_nothing(
    serve: Callable[..., Service], tmp_path: Path, jump_s: float
) -> None:
    clock = SteppedClock()
    service = serve(
        clock=clock,
        folder=tmp_path,
        sets=("service.recording.enabled=true", "service.recording.after_s=0"),
    )
    states = len(service.states())
    clock.wall_offset_s = jump_s
    assert service.wait_frames(20) < 5.0
    assert [s for s in service.states()[states:] if s[1] in ("stale", "source_lost")] == []
    service.guide.keep("button")
    service.wait(lambda: bool(service.logged("recording_kept")), "recording")
    assert service._thread.is_alive() and service.raised is None


def test_a_machine_that_slept_tells_what_is_stale_and_guides_again(
    serve: Callable[..., Service],
) -> None:
    clock, camera = SteppedClock(), Camera()
    service = serve(
        clock=clock,
        source=lambda config, _: LiveSource("camera", camera.device, config.capture, clock),
    )
    clock.slept_s = 600.0  # a clock that counts the sleep, as some systems' do
    woke = time.monotonic()
    service.wait_frames(20)
    service.wait(lambda: service.states()[-1][1] != "stale", "guidance")
    assert time.monotonic() - woke < 5.0
    assert service._thread.is_alive() and service.raised is None


# -- the model's file -----------------------------------------------------------------------------


def test_a_model_file_deleted_while_running(serve: Callable[..., Service], tmp_path: Path) -> None:
    """The network in memory guides on; a restart of it is refused with the reason until the file
    is back, and a reload too."""
    from sonar import app

    pytest.importorskip("onnxruntime")
    shipped = next(Path(app.__file__).parent.glob("models/**/*.onnx"))
    model = tmp_path / "model.onnx"
    shutil.copy(shipped, model)
    fails = [False]

    class Failing:
        """The real engine, until it is told to fail."""

        def __init__(self, engine: Any) -> None:
            self.engine, self.label = engine, engine.label
            self.warm_up, self.close = engine.warm_up, engine.close

        def estimate(self, frame: Frame) -> DepthMap:
            if fails[0]:
                raise RuntimeError("broken")
            depth: DepthMap = self.engine.estimate(frame)
            return depth

    service = serve(
        engine=lambda config: Failing(app.open_engine(config)),
        sets=(f"engine.model={model}", "engine.backend=onnx", "service.inference_timeout_s=5"),
    )
    model.unlink()
    service.wait_frames(10)
    service.guide.reload()
    service.wait(lambda: bool(service.logged("reload_refused")), "a refusal")
    assert "model.onnx" in service.logged("reload_refused")[0]["problem"]
    fails[0] = True
    service.wait(lambda: ("degraded", "depth_failed") in service.states(), "degraded")
    service.wait(lambda: bool(service.logged("engine_not_opened")), "a try")
    assert "model.onnx" in service.logged("engine_not_opened")[0]["problem"]
    shutil.copy(shipped, model)
    fails[0] = False
    service.wait(lambda: service.states()[-1][1] != "depth_failed", "recovery")
    service.wait_frames(5)


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


RECORDING = ("service.recording.enabled=true", "service.recording.rate_hz=20")


def test_a_disk_that_fills_up_while_running(
    serve: Callable[..., Service], small_disk: Path
) -> None:
    service = serve(folder=small_disk / "rec", sets=RECORDING)
    service.wait(lambda: bool(segments.stems(small_disk / "rec/ring")), "a recording")
    with (
        (small_disk / "other").open("wb", buffering=0) as file,
        pytest.raises(OSError, match="space"),
    ):
        while True:
            file.write(b"x" * 4096)
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it", 20)
    service.wait_frames(20)
    assert service.states()[-1][0] in ("guiding", "degraded") and service.raised is None
    service.stop()
    segments.mend(small_disk / "rec/ring")


def test_a_disk_that_becomes_read_only_while_running(
    serve: Callable[..., Service], small_disk: Path
) -> None:
    service = serve(folder=small_disk / "rec", sets=RECORDING)
    ring = small_disk / "rec/ring"
    service.wait(lambda: bool(segments.stems(ring)), "a recording")
    # Its own files are open: only the next segment meets the closed door.
    recorder = service.guide._recorder
    assert recorder is not None
    done = subprocess.run(
        ["mount", "-o", "remount,ro", str(small_disk)], capture_output=True, text=True, timeout=10
    )
    if done.returncode:  # busy: take the folder away instead
        ring.rename(small_disk / "rec/away")
        ring.write_text("no folder")
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it", 20)
    service.wait_frames(20)
    assert service.states()[-1][0] in ("guiding", "degraded") and service.raised is None


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    """A full disk under standard error, and a reader that went away."""
    from sonar.service.logs import JsonLog

    full = os.open("/dev/full", os.O_WRONLY)
    reading, writing = os.pipe()
    os.close(reading)
    for fd in (full, writing):
        log = JsonLog("guide", SystemClock(), fd)
        log("figures", fps=20)
        assert log.lost == 1
        os.close(fd)


def test_a_kept_recording_that_finds_no_room_is_told(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(folder=tmp_path, sets=(*RECORDING, "service.recording.after_s=0"))

    def full(*_: Any) -> None:
        raise OutputError("No space left on device")

    service.wait(lambda: bool(segments.stems(tmp_path / "ring")), "a recording")
    monkeypatch.setattr(segments, "join", full)
    service.guide.keep("button")
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it")
    service.wait_frames(10)


# -- speech ---------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs espeak-ng")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_synthesiser_that_is_killed_or_hangs_is_replaced(
    serve: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    service = serve(sets=("speech.enabled=true", "speech.timeout_s=6"))
    run = service.guide._run
    assert run is not None
    speech = run.running.speech

    def worker() -> Any:
        return getattr(speech._client, "_process", None)

    service.wait(lambda: worker() is not None and speech.status.ready > 0, "a synthesiser")
    victim, ready = worker(), speech.status.ready
    os.kill(victim.pid, number)
    frames = service.beats[-1].frames
    service.wait(lambda: worker() not in (None, victim), "another", 30)
    service.wait(lambda: speech.status.ready > ready, "more phrases", 30)
    assert service.beats[-1].frames > frames and service.raised is None


def test_a_synthesiser_that_is_lost_for_good_is_told_and_tones_go_on(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sonar.audio import speech

    monkeypatch.setenv("SONAR_HOME", str(tmp_path))
    monkeypatch.setitem(speech.SpeechBank.__init__.__kwdefaults__, "command", ("false",))
    service = serve(sets=("speech.enabled=true",))
    service.wait(lambda: bool(service.logged("speech_lost")), "word of it", 20)
    service.wait_frames(40)
    assert len(service.logged("speech_lost")) == 1
