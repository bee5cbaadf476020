"""Looking ahead: the same as without it, in order, with errors where they belong."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from sonar.clock import ManualClock
from sonar.config import SonarConfig
from sonar.errors import DepthError, SourceError
from sonar.records import Step
from sonar.replay import ahead as ahead_module
from sonar.replay import replay
from sonar.replay.ahead import MAX_ENGINES, SPARE, Ahead, open_engines
from sonar.testing.depth import FakeEngine
from sonar.types import Cue, CueKind, DepthKind, DepthMap, Frame, Scene
from tests.cli.conftest import write_video


class Frames:
    """A recording of numbered frames that may end with an error."""

    label, live, rate_hz, dropped = "frames", False, 10.0, 0

    def __init__(self, count: int, error: SourceError | None = None) -> None:
        self.frame_count = count
        self.read_so_far = 0
        self.closed = False
        self._error = error

    def open(self) -> None:
        pass

    def read(self, timeout_s: float) -> Frame | None:
        if self.read_so_far == self.frame_count:
            if self._error is not None:
                raise self._error
            return None
        index, self.read_so_far = self.read_so_far, self.read_so_far + 1
        return Frame(np.full((4, 4, 3), index % 256, np.uint8), index, index / 10)

    def close(self) -> None:
        self.closed = True


def depth_of(frame: Frame) -> DepthMap:
    values = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4) + frame.id
    return DepthMap(values, DepthKind.RELATIVE_INVERSE)


def all_of(ahead: Ahead) -> list[tuple[int, float]]:
    found = []
    while (frame := ahead.read(1.0)) is not None:
        found.append((frame.id, float(ahead.engine.estimate(frame).values[0, 0])))
    return found


def test_frames_and_their_depths_come_in_order() -> None:
    # The first engine is slow: frames that are done before their turn wait for it.
    gate = threading.Event()

    def slow(frame: Frame) -> DepthMap:
        if frame.id == 0:
            gate.wait(5.0)
        return depth_of(frame)

    def fast(frame: Frame) -> DepthMap:
        if frame.id >= 2:
            gate.set()
        return depth_of(frame)

    engines = [FakeEngine(slow), FakeEngine(fast)]
    ahead = Ahead(Frames(40), engines)
    assert all_of(ahead) == [(index, float(index)) for index in range(40)]
    assert ahead.read(1.0) is None  # the end stays the end
    assert gate.is_set() and engines[1].calls >= 2
    ahead.close()


def test_an_engine_is_never_used_by_two_at_once() -> None:
    inside, most = 0, 0

    def watched(frame: Frame) -> DepthMap:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.002)
        inside -= 1
        return depth_of(frame)

    ahead = Ahead(Frames(20), [FakeEngine(watched)])
    first = ahead.read(1.0)
    assert first is not None
    ahead.engine.warm_up(4, 4)
    ahead.engine.estimate(first)
    assert len(all_of(ahead)) == 19 and most == 1
    ahead.close()


def test_it_does_not_run_away() -> None:
    source = Frames(1000)
    ahead = Ahead(source, [FakeEngine(depth_of), FakeEngine(depth_of)])
    assert ahead.read(1.0) is not None
    assert source.read_so_far == 2 + SPARE
    ahead.close()
    ahead.close()
    assert source.closed


def test_a_damaged_recording_ends_after_its_last_frame() -> None:
    ahead = Ahead(Frames(5, SourceError("cut off")), [FakeEngine(depth_of)])
    seen = []
    with pytest.raises(SourceError, match="cut off"):
        while (frame := ahead.read(1.0)) is not None:
            seen.append(frame.id)
    assert seen == [0, 1, 2, 3, 4]
    ahead.close()


def test_a_frame_that_fails_is_only_that_frame() -> None:
    ahead = Ahead(Frames(4), [FakeEngine(depth_of, failures={2: DepthError("nonsense")})])
    found = []
    while (frame := ahead.read(1.0)) is not None:
        try:
            found.append(float(ahead.engine.estimate(frame).values[0, 0]))
        except DepthError:
            found.append(-1.0)
    assert found == [0.0, 1.0, -1.0, 3.0]
    ahead.close()


def test_times_are_what_a_stage_took_not_what_was_waited() -> None:
    clock = ManualClock()
    ahead = Ahead(Frames(1), [FakeEngine(depth_of, clock=clock, latency_s=0.025)], clock)
    frame = ahead.read(1.0)
    assert frame is not None
    ahead.engine.estimate(frame)
    step = Step(
        scene=Scene.unknown(0, 0.0, None),
        cue=Cue(CueKind.SILENCE),
        frame=frame,
        depth=None,
        timings_ms={"capture": 2.0, "depth": 0.0, "zones": 3.0, "total": 5.0},
    )
    real = ahead.timed(step)
    assert real.timings_ms == {"capture": 2.0, "depth": 25.0, "zones": 3.0, "total": 30.0}
    ahead.close()


def test_what_is_heard_and_written_does_not_depend_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "walk.mp4", frames=30)
    for name, threads, spare in (("ahead", 3, SPARE), ("serial", 1, 0)):
        monkeypatch.setattr(ahead_module, "SPARE", spare)
        config = SonarConfig.model_validate({"engine": {"precision": "int8", "threads": threads}})
        replay(str(video), tmp_path / name, config)
    for name in ("audio.wav", "events.jsonl", "annotated.mp4"):
        first, second = ((tmp_path / run / name).read_bytes() for run in ("ahead", "serial"))
        assert first == second, name
    frames = []
    for run in ("ahead", "serial"):
        lines = (tmp_path / run / "frames.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        assert len(records) == 30
        assert all(set(r["latency_ms"]) >= {"capture", "depth", "zones"} for r in records[1:])
        frames.append([{k: v for k, v in r.items() if k != "latency_ms"} for r in records])
    assert frames[0] == frames[1]


def test_engines_share_the_threads() -> None:
    def count(threads: int) -> int:
        engines = open_engines(SonarConfig.model_validate({"engine": {"threads": threads}}))
        for engine in engines:
            engine.close()
        return len(engines)

    assert [count(threads) for threads in (1, 2, 12)] == [1, 2, MAX_ENGINES]
