"""Faults of the machine under the whole guide: processor, clock, memory, model file."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from guide_kit import DEPTH, IMAGES, Camera, Service, announced

from sonar import app
from sonar.capture import LiveSource
from sonar.capture.live import Waits
from sonar.clock import SystemClock
from sonar.service.guide import governor as governors
from sonar.service.guide import recorder as recorders
from sonar.service.guide.governor import LOW_MB, MachineReading
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame

pytestmark = pytest.mark.realtime


# -- the processor --------------------------------------------------------------------------------


def test_a_processor_at_a_quarter_is_adapted_to_without_lag_and_announced(
    serve: Callable[..., Service],
) -> None:
    """Each frame takes four times as long: fewer are taken, none is old, and it is said."""
    work_s = [0.04]

    def depth(frame: Frame) -> DepthMap:
        time.sleep(work_s[0])
        return DEPTH

    moving = [np.roll(IMAGES[i % 8], 3 * i, 1) for i in range(4000)]
    service = serve(
        engine=lambda config: FakeEngine(depth),
        script=lambda: list(moving),
        sets=("service.governor.enabled=true",),
    )
    asked = announced(service)
    work_s[0] = 0.16
    service.wait(lambda: bool(service.logged("governor")), "word of it", 20)
    assert service.logged("governor")[0]["what"] == "slow"
    assert ("degraded", ("state_slow",)) in asked
    run = service.guide.running
    assert run is not None
    assert service.guide.reporter.governor.rate_hz < 1.0 / 0.16
    time.sleep(1.0)
    count, _ = run.sink.ages_since(0)
    time.sleep(2.5)
    _, ages_s = run.sink.ages_since(count)
    assert ages_s.size == 0 or float(np.max(ages_s)) < 0.16 + 0.25  # one frame's work, no queue
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


def test_a_clock_that_is_set_changes_nothing(serve: Callable[..., Service], tmp_path: Path) -> None:
    clock = SteppedClock()
    service = serve(
        clock=clock,
        folder=tmp_path,
        sets=("service.recording.enabled=true",),
    )
    states = len(service.states())
    for jump_s in (-3600.0, 86_400.0 * 365):
        clock.wall_offset_s = jump_s
        assert service.wait_frames(20) < 5.0
    assert [s for s in service.states()[states:] if s[1] in ("stale", "source_lost")] == []
    service.guide.keep("button")
    service.wait(lambda: bool(service.logged("recording_kept")), "recording")
    assert service._thread.is_alive() and service.raised is None


def test_a_machine_that_slept_announces_what_is_stale_and_guides_again(
    serve: Callable[..., Service],
) -> None:
    clock = SteppedClock()
    camera = Camera(clock)
    service = serve(
        clock=clock,
        source=lambda config, _: LiveSource("camera", camera.device, Waits(), clock),
    )
    clock.slept_s = 600.0  # a clock that counts the sleep, as some systems' do
    woke = time.monotonic()
    service.wait_frames(20)
    service.wait(lambda: service.states()[-1][1] != "stale", "guidance")
    assert time.monotonic() - woke < 5.0
    assert service._thread.is_alive() and service.raised is None


# -- memory ---------------------------------------------------------------------------------------


class Machine:
    """A machine whose memory the test decides."""

    memory_available_mb = 2000.0

    def read(self) -> MachineReading:
        return MachineReading(memory_available_mb=self.memory_available_mb, memory_mb=200.0)


def test_memory_pressure_pauses_the_recording_and_is_announced(
    serve: Callable[..., Service],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(governors, "WELL_S", 0.5)
    machine = Machine()
    service = serve(
        sensors=machine,
        folder=tmp_path / "rec",
        sets=("service.recording.enabled=true",),
    )
    ring = tmp_path / "rec/ring"
    service.wait(lambda: bool(recorders.parts(ring)), "a recording")
    asked = announced(service)
    machine.memory_available_mb = LOW_MB / 2
    service.wait(lambda: bool(service.logged("memory_low")), "word of it", 10)
    service.wait(lambda: ("degraded", ("state_memory_low",)) in asked, "it to be said")
    time.sleep(0.3)
    recorder = service.guide.recorder
    assert recorder is not None and recorder._part is None  # its frames and encoder are freed
    size = recorders.size_bytes(ring)
    service.wait_frames(15)  # it guides on
    assert recorders.size_bytes(ring) == size
    machine.memory_available_mb = 2000.0
    service.wait(lambda: bool(service.logged("memory_well")), "recovery", 15)
    service.wait(lambda: recorders.size_bytes(ring) > size, "the recording to go on", 10)
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
    service.wait(lambda: service.degraded("depth_failed"), "degraded")
    service.wait_frames(10)
    assert service._thread.is_alive() and service.raised is None
    short[0] = False
    service.wait_mended("depth_failed")


# -- the model's file -----------------------------------------------------------------------------


def test_a_model_file_deleted_while_running(serve: Callable[..., Service], tmp_path: Path) -> None:
    """The network in memory guides on; a reload is refused with the reason until it is back."""
    shipped = next(Path(app.__file__).parent.glob("depth/models/**/*.onnx"))
    model = tmp_path / "model.onnx"
    shutil.copy(shipped, model)
    service = serve(
        engine=app.open_engine,
        sets=(f"engine.model={model}", "engine.backend=onnx", "service.inference_timeout_s=5"),
    )
    model.unlink()
    service.wait_frames(10)
    service.guide.reload()
    service.wait(lambda: bool(service.logged("reload_refused")), "a refusal")
    assert "model.onnx" in service.logged("reload_refused")[0]["problem"]
    shutil.copy(shipped, model)
    service.guide.reload()
    service.wait(lambda: len(service.mixers) == 2, "the new run")
    service.wait_frames(5)
