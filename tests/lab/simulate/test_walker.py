"""The walker does what it hears, and nothing else."""

from collections.abc import Iterator, Sequence

import pytest

from sonar.lab.simulate.walker import (
    BLOCKED_HZ,
    PAST_M,
    SLOW_MPS,
    SPEED_MPS,
    Mode,
    Urgency,
    Walker,
    hear,
)
from sonar.types import Cue, CueKind

DT = 0.1
SILENCE = Cue(CueKind.SILENCE)


def pulse(rate_hz: float, pan: float = 0.0) -> Cue:
    return Cue(CueKind.PULSE, pan=pan, rate_hz=rate_hz, pitch_hz=500.0)


def stop(pan: float = 0.0) -> Cue:
    return Cue(CueKind.CONTINUOUS, pan=pan, pitch_hz=800.0)


def earcon(name: str) -> Cue:
    return Cue(CueKind.EARCON, earcon=name, rate_hz=1.0)


class Legs:
    """Follows a walker's orders; the goal is straight ahead of where it began."""

    def __init__(self) -> None:
        self.walker = Walker()
        self.yaw_deg = 0.0
        self.walked_m = 0.0
        self._moved_m = 0.0

    def hear(self, cues: Sequence[Cue] | Iterator[Cue]) -> float:
        """Meters walked meanwhile."""
        before = self.walked_m
        for cue in cues:
            step = self.walker.decide(cue, -self.yaw_deg, DT, self._moved_m)
            self.yaw_deg += step.turn_dps * DT
            self._moved_m = step.speed_mps * DT
            self.walked_m += self._moved_m
        return self.walked_m - before


@pytest.mark.parametrize(
    ("cue", "urgency", "side"),
    [
        (None, Urgency.SILENT, 0),
        (SILENCE, Urgency.SILENT, 0),
        (pulse(1.2, -1.0), Urgency.FAR, -1),
        (pulse(2.5), Urgency.NEAR, 0),
        (pulse(6.0, 1.0), Urgency.CLOSE, 1),
        (stop(-1.0), Urgency.STOP, -1),
        (earcon("drop_off"), Urgency.SILENT, 0),
    ],
)
def test_what_is_heard_of_a_cue(cue: Cue | None, urgency: Urgency, side: int) -> None:
    heard = hear(cue)
    assert (heard.urgency, heard.side) == (urgency, side)
    assert heard.drop is (cue is not None and cue.earcon == "drop_off")


def test_silence_is_walked_through_at_full_speed() -> None:
    legs = Legs()
    assert legs.hear([SILENCE] * 20) == pytest.approx(2.0 * SPEED_MPS)
    assert legs.yaw_deg == 0.0


@pytest.mark.parametrize("pan", [-1.0, 1.0])
def test_stop_stands_and_turns_away_from_its_side(pan: float) -> None:
    legs = Legs()
    assert legs.hear([stop(pan)] * 10) == 0.0
    assert legs.yaw_deg * pan < -20.0


def test_something_ahead_is_approached_slowly_then_turned_away_from_then_passed() -> None:
    legs = Legs()
    assert legs.hear([pulse(2.5)] * 10) == pytest.approx(SLOW_MPS)
    legs.hear([pulse(BLOCKED_HZ + 0.5)] * 8)
    assert legs.walker.mode is Mode.DODGE
    turned = legs.yaw_deg
    assert abs(turned) > 10.0
    legs.hear([SILENCE] * 40)
    assert legs.walked_m > 1.0
    assert abs(legs.yaw_deg) > 20.0 or legs.walker.mode is Mode.WALK
    legs.hear([SILENCE] * 60)
    assert abs(legs.yaw_deg) < 1.0, "and back to the goal's direction"


def test_what_was_dodged_is_walked_past_before_turning_back() -> None:
    legs = Legs()
    legs.hear([pulse(3.0)] * 12 + [stop(1.0)] * 5)
    away = None
    walked = 0.0
    for _ in range(100):
        walked += legs.hear([SILENCE])
        if legs.walker.mode is Mode.PAST and away is None:
            away, walked = legs.yaw_deg, 0.0
        if legs.walker.mode is Mode.WALK:
            break
    assert away is not None and away < -10.0
    assert walked >= PAST_M - 0.1


def test_it_never_turns_its_back_on_the_goal_without_trying_the_other_way() -> None:
    legs = Legs()
    legs.hear([pulse(3.0)] * 12)
    angles = []
    for _ in range(120):
        legs.hear([pulse(4.0)])
        angles.append(legs.yaw_deg)
    assert max(angles) > 90.0 and min(angles) < -90.0


def test_between_two_stops_it_takes_the_middle() -> None:
    legs = Legs()
    legs.hear([stop(1.0)] * 5)  # turns left
    legs.hear([SILENCE] * 13)
    legs.hear([stop(-1.0)] * 5)
    assert legs.walker.mode is Mode.BETWEEN
    assert legs.hear([stop(-1.0)] * 20) > 0.1, "a stop beside it does not hold it there"


@pytest.mark.parametrize("name", ["drop_off", "unknown", "degraded"])
def test_a_drop_or_not_seeing_is_walked_slowly(name: str) -> None:
    legs = Legs()
    assert legs.hear([earcon(name)] * 20) == pytest.approx(2.0 * SLOW_MPS)


def test_a_drop_is_remembered_until_it_must_have_come() -> None:
    legs = Legs()
    legs.hear([earcon("drop_off")])
    assert legs.hear([SILENCE] * 40) < 2.0
    legs.hear([SILENCE] * 40)
    assert legs.hear([SILENCE] * 10) == pytest.approx(SPEED_MPS)
