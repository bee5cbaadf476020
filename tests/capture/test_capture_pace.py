"""A recording at its own pace, on a manual clock."""

import numpy as np
import pytest

from sonar.capture import PacedSource
from sonar.clock import ManualClock
from sonar.errors import SourceError
from sonar.testing.capture import ScriptedSource


def paced(script, rate_hz=10.0):
    clock = ManualClock(500.0)
    source = PacedSource(ScriptedSource(script, clock=clock, rate_hz=rate_hz), clock)
    source.open()
    return source, clock


def images(count):
    return [np.full((2, 2, 3), i, np.uint8) for i in range(count)]


def test_frames_come_when_they_are_due():
    source, clock = paced(images(5))
    for number in range(5):
        frame = source.read(0.01)
        assert (frame.id, frame.t) == (number, pytest.approx(number / 10))
        assert clock.now() == pytest.approx(500.0 + number / 10)
    assert source.read(0.01) is None
    assert source.dropped == 0


def test_late_reader_skips_to_the_newest():
    source, clock = paced(images(20))
    source.read(0.01)
    source.read(0.01)
    clock.advance(0.45)  # it is 0.55 s into the recording
    frame = source.read(0.01)
    assert (frame.id, source.dropped) == (5, 3)
    assert clock.now() == pytest.approx(500.55)
    assert source.read(0.01).id == 6
    assert clock.now() == pytest.approx(500.6)


def test_warming_up_with_the_first_frame_costs_nothing_of_the_recording():
    source, clock = paced(images(5))
    assert source.read(0.01).id == 0
    clock.advance(3.0)
    assert [source.read(0.01).id for _ in range(4)] == [1, 2, 3, 4]
    assert clock.now() == pytest.approx(503.4)
    assert source.dropped == 0


def test_last_frame_is_never_skipped():
    source, clock = paced(images(4))
    source.read(0.01)
    source.read(0.01)
    clock.advance(100.0)
    assert source.read(0.01).id == 3
    assert source.read(0.01) is None


def test_decoding_slower_than_the_recording_still_ends():
    class Slow:
        def __init__(self, inner, clock):
            self.inner, self.clock = inner, clock

        def __getattr__(self, name):
            return getattr(self.inner, name)

        def read(self, timeout_s):
            self.clock.advance(0.25)
            return self.inner.read(timeout_s)

    clock = ManualClock()
    source = PacedSource(Slow(ScriptedSource(images(40), rate_hz=10), clock), clock)
    source.open()
    ids = []
    while (frame := source.read(0.01)) is not None:
        ids.append(frame.id)
    assert len(ids) > 3 and ids == sorted(set(ids)) and ids[-1] == 39
    assert source.dropped == 40 - len(ids)


def test_damage_comes_after_the_frames_before_it():
    source, _ = paced([*images(2), SourceError("cut off")])
    assert [source.read(0.01).id for _ in range(2)] == [0, 1]
    with pytest.raises(SourceError, match="cut off"):
        source.read(0.01)
