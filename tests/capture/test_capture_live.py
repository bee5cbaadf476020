"""The newest frame wins, and nothing that a driver does can stop the reader."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_bench import BRIEF_S, LIMITS, WAIT_S, Wire, image

from sonar.capture.stream import StreamTime
from sonar.errors import DeviceError, SourceError, SourceTimeout
from sonar.ports import FrameSource


def test_newest_wins_drops_are_counted_and_time_is_capture_time(bench):
    wire = Wire()
    b = bench(wire)
    assert isinstance(b.source, FrameSource)
    b.source.open()
    assert (b.source.live, b.source.frame_count, b.source.rate_hz) == (True, None, 30.0)
    for number in range(4):
        wire.send(image(number))
        b.wait_for(number + 1)
        b.clock.advance(0.1)
    frame = b.source.read(BRIEF_S)
    assert (frame.id, frame.image[0, 0, 0]) == (3, 3)
    assert frame.t == pytest.approx(100.3)
    assert b.source.dropped == 3
    b.silent_read()  # a frame is handed out once
    wire.send(image(9))
    assert b.source.read(WAIT_S).id == 4


def test_not_open(bench):
    with pytest.raises(SourceError, match="not open"):
        bench().source.read(BRIEF_S)


@pytest.mark.parametrize("error", [DeviceError("no camera"), SourceError("no stream")])
def test_failed_open_says_why_and_may_be_tried_again(bench, error):
    b = bench(Wire(open_error=error), Wire())
    with pytest.raises(type(error), match=str(error)):
        b.source.open()
    b.source.open()
    b.devices[1].send(image())
    assert b.source.read(WAIT_S).id == 0


def test_open_that_hangs_ends_in_time(bench):
    limits = replace(LIMITS, open_timeout_s=0.05)
    b = bench(Wire(hang_on_open=True), limits=limits)
    with pytest.raises(SourceTimeout, match="did not open within"):
        b.source.open()


def test_close_returns_while_the_driver_hangs(bench):
    from sonar.clock import SystemClock

    b = bench(Wire())
    b.source.open()
    started = SystemClock().now()
    b.source.close()
    b.source.close()
    assert SystemClock().now() - started < 2.0
    with pytest.raises(SourceError):
        b.source.read(BRIEF_S)


def test_driver_exception_keeps_its_text_to_itself(bench, caplog):
    caplog.set_level("DEBUG")
    b = bench(Wire())
    b.source.open()
    b.devices[0].fail(RuntimeError("at rtsp://me:secret@cam"))
    b.wait_ended()
    b.silent_read()
    assert "no connection (The driver failed (RuntimeError))" in caplog.text
    assert "secret" not in caplog.text


def test_garbage_of_the_wrong_kind_is_a_lost_connection_not_a_crash(bench):
    wire, fresh = Wire(), Wire()
    b = bench(wire, fresh)
    b.source.open()
    wire.send(np.full((3, 3), np.nan))
    b.wait_ended()
    b.silent_read()
    b.clock.advance(1.01)
    b.silent_read()
    fresh.send(image(5))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 5


def test_a_frozen_frame_is_passed_on_with_new_times(bench):
    wire = Wire()
    b = bench(wire)
    b.source.open()
    times = []
    for _ in range(3):
        b.clock.advance(0.1)
        wire.send(image(7))
        times.append(b.source.read(WAIT_S).t)
    assert times == pytest.approx([100.1, 100.2, 100.3])


def test_burst_after_a_stall_is_as_old_as_the_sender_says():
    time = StreamTime()
    for number in range(3):
        assert time.captured_at(5.0 + 0.1 * number, 100.0 + 0.1 * number) == pytest.approx(
            100.0 + 0.1 * number
        )
    # Stalled for a second: then the backlog arrives at once.
    assert 101.3 - time.captured_at(5.3, 101.3) == pytest.approx(1.0, abs=0.05)
    assert 101.3 - time.captured_at(6.3, 101.3) == pytest.approx(0.0, abs=0.05)


def test_sender_whose_clock_starts_over():
    time = StreamTime()
    assert time.captured_at(1000.0, 50.0) == 50.0
    assert time.captured_at(0.0, 51.0) == 51.0
    assert time.captured_at(0.1, 51.1) == pytest.approx(51.1)


def test_sender_whose_clock_is_slow_does_not_look_ever_older():
    time = StreamTime()
    ages = []
    for number in range(5000):
        arrival = 0.04 * number
        ages.append(arrival - time.captured_at(arrival * 0.985, arrival))
    assert max(ages) < 0.01


@given(st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 2)), min_size=1))
def test_nothing_is_captured_after_it_arrived(steps):
    time, arrival = StreamTime(), 0.0
    for pts, step in steps:
        arrival += step
        assert time.captured_at(pts, arrival) <= arrival + 1e-6
