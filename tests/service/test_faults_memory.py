"""Memory that runs short, under the whole guide; told by files as Linux tells it."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from guide_kit import DEPTH, Service, services, told

from sonar.config import SonarConfig
from sonar.service import memory
from sonar.service.guide import segments
from sonar.service.memory import LOW_MB, STALLED_PERCENT, Growth, MemoryWatch
from sonar.service.sysfs import Memory
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    with services() as start:
        yield start


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


def test_what_was_freed_is_given_back_after_growth_and_not_too_often() -> None:
    growth = Growth()
    grown = [(0.0, 220.0), (1.0, 215.0), (2.0, 222.9), (3.0, 223.1), (4.0, 240.0), (64.0, 216.0)]
    assert [growth.is_due(mb, now) for now, mb in grown] == [
        False,
        False,
        False,
        True,
        False,
        False,
    ]
    assert not growth.is_due(None, 65.0) and not growth.is_due(223.0, 66.0)
    assert growth.is_due(224.1, 67.0)


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
from sonar.service.guide.guard import GuardedEngine
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
    assert min(sizes[-3:]) - min(sizes[:3]) <= 15.0, sizes  # of what each once cost, 24 MB
