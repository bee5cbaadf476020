"""How moments become truth events."""

import pytest

from sonar.lab.simulate.truth import EventLog
from sonar.types import Side


def seen(log: EventLog, thing: str, start_s: float, end_s: float, near_m: float, side: Side):
    for k in range(round((end_s - start_s) * 10) + 1):
        log.seen(start_s + k / 10, thing, "obstacle", side, near_m)


def test_moments_of_one_obstacle_are_one_event() -> None:
    log = EventLog()
    seen(log, "box 1", 1.0, 2.0, 1.1, Side.LEFT)
    seen(log, "box 1", 2.4, 3.0, 0.8, Side.LEFT)  # out of view for 0.4 s
    (event,) = log.events()
    assert (event.from_s, event.to_s) == pytest.approx((1.0, 3.0))
    assert event.nearest_m == 0.8 and event.side == "left" and event.contact_s is None


def test_another_side_is_another_event_and_glimpses_and_far_obstacles_are_none() -> None:
    log = EventLog()
    seen(log, "box 1", 0.0, 1.0, 1.0, Side.CENTER)
    seen(log, "box 1", 1.1, 2.0, 0.9, Side.RIGHT)
    seen(log, "pole 1", 1.0, 1.2, 1.0, Side.LEFT)
    seen(log, "car 1", 0.0, 5.0, 2.0, Side.LEFT)
    assert [e.side for e in log.events()] == [Side.CENTER, Side.RIGHT]


def test_a_contact_belongs_to_the_event_in_which_the_obstacle_came_into_the_way() -> None:
    log = EventLog()
    seen(log, "box 1", 0.0, 2.0, 1.0, Side.CENTER)
    seen(log, "box 1", 2.1, 2.6, 0.5, Side.RIGHT)
    log.touched(3.0, "box 1", "obstacle", Side.RIGHT)
    first, second = log.events()
    assert (first.contact_s, second.contact_s) == (3.0, None)
    assert first.nearest_m == 0.0


def test_what_was_never_seen_is_an_event_when_it_is_touched() -> None:
    log = EventLog()
    log.touched(4.0, "bar 1", "head", Side.CENTER)
    (event,) = log.events()
    assert (event.from_s, event.to_s, event.contact_s) == (4.0, 4.0, 4.0)
