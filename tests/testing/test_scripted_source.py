"""The scripted source keeps the promises of FrameSource, and breaks them on request."""

import math
import threading

import numpy as np
import pytest

from sonar.clock import ManualClock
from sonar.errors import SourceError, SourceLost, SourceTimeout
from sonar.ports import FrameSource
from sonar.testing.capture import Delay, Hang, ScriptedSource
from sonar.types import Frame


def image(value: int) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


def test_is_a_frame_source():
    assert isinstance(ScriptedSource([]), FrameSource)


def test_recording_gives_every_frame_with_media_time():
    clock = ManualClock(100.0)
    source = ScriptedSource([image(1), Delay(5.0), image(2)], clock=clock, rate_hz=10)
    source.open()
    frames = [source.read(1.0), source.read(1.0)]
    assert [(f.id, f.t, f.image[0, 0, 0]) for f in frames] == [(0, 0.0, 1), (1, 0.1, 2)]
    assert source.read(1.0) is None
    assert (source.frame_count, source.dropped, clock.now()) == (2, 0, 105.0)
    source.open()
    assert source.read(1.0).id == 0


def test_live_stamps_capture_time_and_keeps_the_newest():
    clock = ManualClock(50.0)
    source = ScriptedSource([image(i) for i in range(6)], live=True, clock=clock, rate_hz=10)
    source.open()
    assert source.read(1.0).t == 50.0
    assert source.read(1.0).t == pytest.approx(50.1)  # waited on the clock
    clock.advance(0.35)  # the reader is slow: frames 2, 3, 4 come meanwhile
    frame = source.read(1.0)
    assert (frame.id, frame.image[0, 0, 0], source.dropped) == (4, 4, 2)
    assert clock.now() - frame.t == pytest.approx(0.05)
    assert source.frame_count is None


def test_live_delay_times_out_in_slices_then_recovers():
    clock = ManualClock()
    source = ScriptedSource([image(0), Delay(1.2), image(1)], live=True, clock=clock)
    source.open()
    source.read(0.5)
    for expected_now in (0.5, 1.0):
        with pytest.raises(SourceTimeout):
            source.read(0.5)
        assert clock.now() == pytest.approx(expected_now)
    assert source.read(0.5).id == 1
    assert clock.now() == pytest.approx(1.2 + 1 / 30)


@pytest.mark.parametrize("live", [True, False])
def test_exception_is_raised_once_and_never_skipped(live):
    clock = ManualClock()
    source = ScriptedSource([image(0), SourceError("bad"), image(1)], live=live, clock=clock)
    source.open()
    clock.advance(10.0)  # everything is overdue; the error must still come between the frames
    assert source.read(0.1).id == 0
    with pytest.raises(SourceError, match="bad"):
        source.read(0.1)
    assert source.read(0.1).id == 1


@pytest.mark.parametrize(("then", "error"), [("lost", SourceLost), ("silence", SourceTimeout)])
def test_what_follows_the_script(then, error):
    source = ScriptedSource([image(0)], live=True, then=then)
    source.open()
    source.read(0.1)
    for _ in range(3):
        with pytest.raises(error):
            source.read(0.1)


def test_endless_silence():
    source = ScriptedSource([Delay(math.inf), image(0)], live=True)
    source.open()
    for _ in range(3):
        with pytest.raises(SourceTimeout):
            source.read(0.5)


def test_frames_pass_untouched_so_stale_ones_can_be_played():
    stale = Frame(image(9), 17, 3.25)
    source = ScriptedSource([stale], live=True, clock=ManualClock(99.0))
    source.open()
    assert source.read(0.1) is stale


def test_hang_lasts_until_close():
    source = ScriptedSource([Hang(), image(1)], live=True)
    source.open()
    got: list[Frame | None] = []
    reader = threading.Thread(target=lambda: got.append(source.read(0.01)), daemon=True)
    reader.start()
    reader.join(0.05)
    assert reader.is_alive()
    source.close()
    reader.join(5.0)
    assert not reader.is_alive()
    assert got[0].id == 0


def test_open_errors_then_success():
    source = ScriptedSource([image(0)], open_errors=[SourceError("no"), SourceError("still no")])
    for _ in range(2):
        with pytest.raises(SourceError):
            source.open()
    source.open()
    assert source.read(0.1).id == 0
    assert source.opens == 3
