"""Memory that runs short, under the whole guide."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from guide_kit import DEPTH, Service, services, told

from sonar.service import machine as machine_module
from sonar.service.guide import recorder as recorders
from sonar.service.machine import LOW_MB, MachineReading
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame

pytestmark = pytest.mark.realtime


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    with services() as start:
        yield start


class Machine:
    """A machine whose memory the test decides."""

    available_mb = 2000.0

    def read(self) -> MachineReading:
        return MachineReading(available_mb=self.available_mb, memory_mb=200.0)


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


def test_memory_pressure_pauses_the_recording_and_is_announced(
    serve: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine_module, "WELL_S", 0.5)
    machine = Machine()
    service = serve(
        sensors=machine,
        folder=tmp_path / "rec",
        sets=("service.recording.enabled=true", "service.recording.rate_hz=20"),
    )
    ring = tmp_path / "rec/ring"
    service.wait(lambda: bool(recorders.parts(ring)), "a recording")
    asked = told(service)
    machine.available_mb = LOW_MB / 2
    service.wait(lambda: bool(service.logged("memory_low")), "word of it", 10)
    service.wait(lambda: ("degraded", ("state_memory_low",)) in asked, "it to be said")
    time.sleep(0.3)
    recorder = service.guide.recorder
    assert recorder is not None and recorder._part is None  # its frames and encoder are freed
    size = size_bytes(ring)
    service.wait_frames(15)  # it guides on
    assert size_bytes(ring) == size
    machine.available_mb = 2000.0
    service.wait(lambda: bool(service.logged("memory_well")), "recovery", 15)
    service.wait(lambda: size_bytes(ring) > size, "the recording to go on", 10)
    assert len(service.logged("memory_low")) == 1


def test_no_memory_in_inference_is_a_fault_with_a_reason_and_mended(
    serve: Callable[..., Service],
) -> None:
    short = [False]

    def depth(frame: Frame) -> DepthMap:
        if short[0]:
            raise MemoryError
        return DEPTH

    service = serve(engine=lambda config: FakeEngine(depth))
    short[0] = True
    service.wait(lambda: ("degraded", "depth_failed") in service.states(), "degraded")
    service.wait_frames(10)
    assert service._thread.is_alive() and service.raised is None
    short[0] = False
    service.wait(lambda: service.states()[-1][1] != "depth_failed", "recovery")


def test_no_memory_for_the_recording_costs_frames_only(
    serve: Callable[..., Service], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(folder=tmp_path, sets=("service.recording.enabled=true",))

    def none(*_: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(recorders.RecordedPart, "record", none)
    service.wait(lambda: bool(service.logged("recording_failed")), "word of it")
    assert "memory" in service.logged("recording_failed")[0]["problem"]
    service.wait_frames(10)
    recorder = service.guide.recorder
    assert recorder is not None and recorder._thread.is_alive()
