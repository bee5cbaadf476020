"""The newest picture wins, and nothing that a driver does can stop the reader."""

import queue
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.capture.device import StreamTime
from sonar.capture.latest import LiveSource
from sonar.clock import ManualClock
from sonar.config import CaptureConfig
from sonar.errors import DeviceError, SourceError, SourceLost, SourceTimeout
from sonar.ports import FrameSource

CONFIG = CaptureConfig(
    open_timeout_s=5.0,
    silence_s=3.0,
    reconnect_first_s=1.0,
    reconnect_max_s=4.0,
)
WAIT_S = 5.0  # for what must come
BRIEF_S = 0.02  # for what must not come


def picture(value: int = 0) -> np.ndarray:
    return np.full((4, 6, 3), value, np.uint8)


class Wire:
    """A device that the test drives by hand. ``send`` returns once the item is taken."""

    def __init__(self, open_error: Exception | None = None, hang_on_open: bool = False) -> None:
        self.rate_hz = 30.0
        self.closed = threading.Event()
        self.release = threading.Event()
        self._open_error = open_error
        self._hang_on_open = hang_on_open
        self._items: queue.Queue = queue.Queue()
        self._image: object = None

    def open(self) -> None:
        if self._hang_on_open:
            self.release.wait(30.0)
        if self._open_error:
            raise self._open_error

    def wait(self) -> float | None:
        while not self.release.is_set():
            try:
                item = self._items.get(timeout=0.05)
            except queue.Empty:
                continue
            if isinstance(item, Exception):
                raise item
            self._image, pts_s = item
            return pts_s
        raise SourceLost("released")

    def picture(self) -> object:
        return self._image

    def close(self) -> None:
        self.closed.set()

    def send(self, image: object, pts_s: float | None = None) -> None:
        self._items.put((image, pts_s))

    def fail(self, error: Exception) -> None:
        self._items.put(error)


class Bench:
    """A LiveSource on a manual clock whose successive devices the test gave."""

    def __init__(self, *devices: Wire, config: CaptureConfig = CONFIG) -> None:
        self.clock = ManualClock(100.0)
        self.devices = list(devices)
        self.used = 0
        self.source = LiveSource("bench", self._connect, config, self.clock)

    def _connect(self) -> Wire:
        self.used += 1
        return self.devices[self.used - 1] if self.used <= len(self.devices) else Wire()

    def silent_read(self) -> None:
        with pytest.raises(SourceTimeout):
            self.source.read(BRIEF_S)

    def wait_for(self, captured: int) -> None:
        """Until the thread has published so many pictures in all."""
        source = self.source
        with source._news:
            assert source._news.wait_for(lambda: source._captured >= captured, WAIT_S)

    def wait_ended(self) -> None:
        """Until the current connection's thread, if there is one still, is through."""
        connection = self.source._connection
        if connection is not None:
            connection.thread.join(WAIT_S)
            assert connection.ended

    def read_until_lost(self) -> str:
        """Read on, with time passing, until the source gives up; what it says then."""
        for _ in range(200):
            try:
                self.source.read(BRIEF_S)
            except SourceLost as error:
                return str(error)
            except SourceTimeout:
                self.clock.advance(0.5)
        raise AssertionError("it never gave up")


@pytest.fixture
def bench():
    made: list[Bench] = []

    def make(*devices: Wire, config: CaptureConfig = CONFIG) -> Bench:
        made.append(Bench(*devices, config=config))
        return made[-1]

    yield make
    for each in made:
        for device in each.devices:
            device.release.set()
        each.source.close()


def test_newest_wins_drops_are_counted_and_time_is_capture_time(bench):
    wire = Wire()
    b = bench(wire)
    assert isinstance(b.source, FrameSource)
    b.source.open()
    assert (b.source.live, b.source.frame_count, b.source.rate_hz) == (True, None, 30.0)
    for number in range(4):
        wire.send(picture(number))
        b.wait_for(number + 1)
        b.clock.advance(0.1)
    frame = b.source.read(BRIEF_S)
    assert (frame.id, frame.image[0, 0, 0]) == (3, 3)
    assert frame.t == pytest.approx(100.3)
    assert b.source.dropped == 3
    b.silent_read()  # a picture is handed out once
    wire.send(picture(9))
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
    b.devices[1].send(picture())
    assert b.source.read(WAIT_S).id == 0


def test_open_that_hangs_ends_in_time(bench):
    config = CONFIG.model_copy(update={"open_timeout_s": 0.05})
    b = bench(Wire(hang_on_open=True), config=config)
    with pytest.raises(SourceTimeout, match="did not open within"):
        b.source.open()


def test_lost_device_is_reconnected_after_growing_pauses(bench):
    first, last = Wire(), Wire()
    b = bench(first, *(Wire(open_error=DeviceError("gone")) for _ in range(4)), last)
    b.source.open()
    first.send(picture(1))
    assert b.source.read(WAIT_S).id == 0
    first.fail(SourceLost("unplugged"))
    b.wait_ended()
    b.silent_read()  # notices
    for pause_s in (1.0, 2.0, 4.0, 4.0):  # doubles, then stays at the limit
        used = b.used
        b.clock.advance(pause_s - 0.01)
        b.silent_read()
        assert b.used == used, "tried too early"
        b.clock.advance(0.02)
        b.silent_read()
        assert b.used == used + 1
        b.wait_ended()
        b.silent_read()
    b.clock.advance(4.01)
    b.silent_read()
    last.send(picture(2))
    frame = b.source.read(WAIT_S)
    assert (frame.id, frame.image[0, 0, 0], b.source.reconnects) == (1, 2, 5)


def test_gives_up_after_the_configured_attempts_and_stays_lost(bench):
    first = Wire()
    failing = [Wire(open_error=SourceError("refused")) for _ in range(3)]
    b = bench(first, *failing, config=CONFIG.model_copy(update={"reconnect_attempts": 3}))
    b.source.open()
    first.send(picture())
    b.source.read(WAIT_S)
    first.fail(SourceLost("unplugged"))
    b.wait_ended()
    message = b.read_until_lost()
    assert message == "bench is gone: 3 attempts to reconnect failed (refused)."
    for _ in range(3):
        with pytest.raises(SourceLost, match="3 attempts"):
            b.source.read(BRIEF_S)
    assert b.used == 4


def test_a_picture_resets_the_count_of_attempts(bench):
    wires = [Wire() for _ in range(6)]
    b = bench(*wires, config=CONFIG.model_copy(update={"reconnect_attempts": 1}))
    b.source.open()
    for number, wire in enumerate(wires):
        wire.send(picture(number))
        assert b.source.read(WAIT_S).id == number
        wire.fail(SourceLost("flaky"))
        b.wait_ended()
        b.silent_read()
        b.clock.advance(1.01)
        b.silent_read()


def test_read_that_blocks_for_ever_is_abandoned_and_its_late_picture_ignored(bench):
    stuck, fresh = Wire(), Wire()
    b = bench(stuck, fresh)
    b.source.open()
    stuck.send(picture(1))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 1
    b.clock.advance(2.9)
    b.silent_read()
    assert b.used == 1
    b.clock.advance(0.2)  # silent for longer than silence_s
    b.silent_read()
    b.clock.advance(1.01)
    b.silent_read()
    assert b.used == 2
    fresh.send(picture(2))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 2
    stuck.send(picture(99))  # the driver comes back from the dead
    assert stuck.closed.wait(WAIT_S), "the abandoned thread must clean up after itself"
    b.silent_read()


def test_a_first_picture_may_take_longer_and_each_try_waits_longer(bench):
    """A stream whose whole pictures come every 2 s is seen although 0.6 s of silence end it."""
    config = CONFIG.model_copy(update={"silence_s": 0.6, "reconnect_first_s": 0.1})
    first, second, third = Wire(), Wire(), Wire()
    b = bench(first, second, third, config=config)
    b.source.open()
    waited_s = []
    for used in (1, 2):
        begun_s = b.clock.now()
        while b.used == used:
            b.silent_read()
            b.clock.advance(0.0731)
        waited_s.append(b.clock.now() - begun_s)
        b.source._connection.opened = True  # its thread opens within an instant of the test
    assert 1.2 <= waited_s[0] < 1.7
    assert all(1.2 <= each_s < 1.6 for each_s in waited_s)
    first.release.set()
    second.release.set()
    b.clock.advance(2.2)  # more than both before it had
    b.silent_read()
    assert b.used == 3
    third.send(picture(3))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 3
    b.clock.advance(0.7)  # from now on it is known what it can do
    b.silent_read()
    b.clock.advance(0.5)
    b.silent_read()
    assert b.used == 4


def test_hanging_threads_do_not_pile_up(bench):
    hanging = [Wire(hang_on_open=True) for _ in range(20)]
    b = bench(Wire(), *hanging)
    b.source.open()
    b.devices[0].send(picture())
    b.source.read(WAIT_S)
    b.devices[0].fail(SourceLost("unplugged"))
    b.wait_ended()
    for _ in range(60):
        b.silent_read()
        b.clock.advance(3.0)
    assert b.used <= 5
    for wire in hanging:
        wire.release.set()
    for wire in hanging[: b.used - 1]:
        assert wire.closed.wait(WAIT_S)
    used = b.used
    for _ in range(4):
        b.clock.advance(5.0)
        b.silent_read()
    assert b.used > used, "once the driver answers again, sonar tries again"


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
    config = CONFIG.model_copy(update={"reconnect_attempts": 1})
    b = bench(Wire(), Wire(open_error=RuntimeError("at rtsp://me:secret@cam")), config=config)
    b.source.open()
    b.devices[0].fail(RuntimeError("at rtsp://me:secret@cam"))
    message = b.read_until_lost()
    assert "RuntimeError" in message
    assert "secret" not in message + caplog.text


def test_garbage_is_skipped(bench):
    wire = Wire()
    b = bench(wire)
    b.source.open()
    wire.send(None)
    wire.send(None)
    wire.send(picture(5))
    frame = b.source.read(WAIT_S)
    assert (frame.id, frame.image[0, 0, 0]) == (0, 5)


def test_garbage_of_the_wrong_kind_is_a_lost_connection_not_a_crash(bench):
    wire, fresh = Wire(), Wire()
    b = bench(wire, fresh)
    b.source.open()
    wire.send(np.full((3, 3), np.nan))
    b.wait_ended()
    b.silent_read()
    b.clock.advance(1.01)
    b.silent_read()
    fresh.send(picture(5))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 5


def test_a_frozen_picture_is_passed_on_with_new_times(bench):
    wire = Wire()
    b = bench(wire)
    b.source.open()
    times = []
    for _ in range(3):
        b.clock.advance(0.1)
        wire.send(picture(7))
        times.append(b.source.read(WAIT_S).t)
    assert times == pytest.approx([100.1, 100.2, 100.3])


def test_burst_after_a_stall_is_as_old_as_the_sender_says(bench):
    wire = Wire()
    b = bench(wire)
    b.source.open()
    for number in range(3):
        wire.send(picture(), pts_s=5.0 + 0.1 * number)
        assert b.source.read(WAIT_S).t == pytest.approx(100.0 + 0.1 * number)
        b.clock.advance(0.1)
    b.clock.advance(1.0)  # stalled: then the backlog arrives at once
    wire.send(picture(), pts_s=5.3)
    age_s = b.clock.now() - b.source.read(WAIT_S).t
    assert age_s == pytest.approx(1.0, abs=0.05)
    wire.send(picture(), pts_s=6.3)
    assert b.clock.now() - b.source.read(WAIT_S).t == pytest.approx(0.0, abs=0.05)


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
