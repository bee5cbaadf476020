"""A live source that is lost, hangs or is damaged is tried again, and given up in the end."""

from dataclasses import replace

from live_bench import LIMITS, WAIT_S, Wire, image

from sonar.errors import DeviceError, SourceLost


def test_a_lost_device_is_tried_again_after_a_pause_for_as_long_as_it_takes(bench):
    first, last = Wire(), Wire()
    b = bench(first, *(Wire(open_error=DeviceError("gone")) for _ in range(8)), last)
    b.source.open()
    first.send(image(1))
    assert b.source.read(WAIT_S).id == 0
    first.fail(SourceLost("unplugged"))
    for tried in range(1, 10):
        b.wait_ended()
        b.silent_read()  # notices
        b.clock.advance(0.99)
        b.silent_read()
        assert b.used == tried, "tried too early"
        b.clock.advance(0.02)
        b.silent_read()
        assert b.used == tried + 1
    last.send(image(2))
    frame = b.source.read(WAIT_S)
    assert (frame.id, frame.image[0, 0, 0]) == (1, 2)


def test_read_that_blocks_for_ever_is_abandoned_and_its_late_frame_ignored(bench):
    stuck, fresh = Wire(), Wire()
    b = bench(stuck, fresh)
    b.source.open()
    stuck.send(image(1))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 1
    b.clock.advance(2.9)
    b.silent_read()
    assert b.used == 1
    b.clock.advance(0.2)  # silent for longer than silence_s
    b.silent_read()
    b.clock.advance(1.01)
    b.silent_read()
    assert b.used == 2
    fresh.send(image(2))
    assert b.source.read(WAIT_S).image[0, 0, 0] == 2
    stuck.send(image(99))  # the driver comes back from the dead
    assert stuck.closed.wait(WAIT_S), "the abandoned thread must clean up after itself"
    b.silent_read()


def test_a_first_frame_may_take_longer_and_each_try_waits_longer(bench):
    """A stream whose whole frames come every 2 s is seen although 0.6 s of silence end it."""
    limits = replace(LIMITS, silence_s=0.6, pause_s=0.1)
    first, second, third = Wire(), Wire(), Wire()
    b = bench(first, second, third, limits=limits)
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
    assert 2.4 <= waited_s[1] < 2.9
    first.release.set()
    second.release.set()
    b.clock.advance(2.9)  # more than both before it had
    b.silent_read()
    assert b.used == 3
    third.send(image(3))
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
    b.devices[0].send(image())
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
