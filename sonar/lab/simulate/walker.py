"""Somebody who walks by what is heard, and by nothing else.

Known besides the sound: the compass, that is the direction of the goal, and how far one walked.
What is heard of a cue is its side, how fast it pulses, whether it is continuous, the signals for a
drop and for not seeing. The rules are those that a trainer would teach; ``docs/simulator.md`` lists
them.
"""

import math
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NamedTuple

from sonar.types import Cue, CueKind

SPEED_MPS, EASY_MPS, SLOW_MPS, CREEP_MPS = 1.0, 0.7, 0.45, 0.25
TURN_DPS = 40.0  # on the spot, listening
HOME_DPS = 40.0
EXTRA_DEG = 12.0  # turned on after it is no longer ahead: a shoulder's width
BEAR_DPS = 20.0  # away from something close beside one
LISTEN_S = 1.2
BETWEEN_M = 0.5  # crept through the middle of two things
BESIDE_S = 2.0  # remembered for this long
CALM_S = 0.8  # at full speed pulses are fast because one is: slow down before judging them
NEAR_HZ, CLOSE_HZ = 2.0, 4.0  # as the mapper's bands begin
BLOCKED_HZ = 3.4  # ahead: slower pulses are walked up to slowly
PRESSING_HZ = 5.2  # beside one, but pulsing so fast that one stops
SIDE_PAN = 0.3
PAST_M = 1.2  # walked straight on after a dodge
AGAIN_M = 0.7
FARTHEST_DEG = 100.0  # nobody turns their back on the goal
DROP_M = 3.0  # a drop that was heard of may be this far: a foot ahead until then


class Urgency(IntEnum):
    """How urgent a cue is, in steps a walker can tell apart."""

    SILENT = 0
    FAR = 1
    NEAR = 2
    CLOSE = 3
    STOP = 4


@dataclass(frozen=True, slots=True)
class Heard:
    """What a walker makes of a cue: how urgent, -1 left / 0 middle / 1 right, and signals."""

    urgency: Urgency = Urgency.SILENT
    side: int = 0
    rate_hz: float = 0.0
    drop: bool = False
    unsure: bool = False


class Stride(NamedTuple):
    """Forwards, and turning to the right."""

    speed_mps: float
    turn_dps: float


def hear(cue: Cue | None) -> Heard:
    """A cue as a walker perceives it; None is a walker without sonar."""
    if cue is None:
        return Heard()
    side = 0 if abs(cue.pan) <= SIDE_PAN else int(math.copysign(1, cue.pan))
    drop = cue.earcon == "drop_off"
    unsure = cue.earcon in ("unknown", "degraded")
    if cue.kind is CueKind.CONTINUOUS:
        return Heard(Urgency.STOP, side, 8.0, drop, unsure)
    if cue.kind is not CueKind.PULSE:
        return Heard(Urgency.SILENT, side, 0.0, drop, unsure)
    urgency = Urgency.NEAR if cue.rate_hz >= NEAR_HZ else Urgency.FAR
    if cue.rate_hz >= CLOSE_HZ:
        urgency = Urgency.CLOSE
    return Heard(urgency, side, cue.rate_hz, drop, unsure)


class Mode(Enum):
    """What a walker is about."""

    WALK = "walk"  # towards the goal
    DODGE = "dodge"  # stands and turns away
    LISTEN = "listen"  # stands: what is heard while one turns is not yet trusted
    PAST = "past"  # goes on straight until what was heard is passed
    BETWEEN = "between"  # goes through the middle of what is left and right


@dataclass(slots=True)
class Walker:
    """The policy; one for each walk."""

    mode: Mode = Mode.WALK
    way: int = 1  # which way it turns, 1 = right
    turned: bool = False  # the way was changed in this dodge and stays so
    listen_s: float = 0.0
    calm_s: float = 0.0  # walked slowly and straight for this long
    walked_m: float = 0.0
    middle_deg: float = 0.0  # heading between left and right, relative to the goal
    stopped: dict[int, tuple[float, float]] = field(default_factory=dict)  # side: heading, where
    beside: int = 0  # the side on which something close was heard of late
    beside_s: float = 0.0
    bearing: bool = False  # away from something beside it
    left_m: float = 0.0  # still to be walked straight on
    extra_deg: float = 0.0  # still to be turned after it is no longer ahead
    drop_m: float = 0.0  # an edge is expected within this

    def decide(self, cue: Cue | None, to_goal_deg: float, dt_s: float, moved_m: float) -> Stride:
        """What to do for the next ``dt_s``.

        Args:
            cue: that sounds (as of a reaction time ago).
            to_goal_deg: the goal's direction, positive to the right of the heading.
            moved_m: walked since the last call.
        """
        heard = hear(cue)
        self.drop_m = DROP_M if heard.drop else max(self.drop_m - moved_m, 0.0)
        self.left_m = max(self.left_m - moved_m, 0.0)
        self.walked_m += moved_m
        step = self._decide(heard, to_goal_deg, dt_s)
        calm = step.speed_mps <= SLOW_MPS and abs(step.turn_dps) <= BEAR_DPS / 2
        self.calm_s = self.calm_s + dt_s if calm else 0.0
        most = SLOW_MPS if self.drop_m > 0.0 or heard.unsure else SPEED_MPS
        return Stride(min(step.speed_mps, most), step.turn_dps)

    def _decide(self, heard: Heard, to_goal: float, dt: float) -> Stride:
        side = heard.side
        self.beside_s = max(self.beside_s - dt, 0.0)
        if side and heard.urgency >= Urgency.CLOSE:
            self.beside, self.beside_s = side, BESIDE_S
        if (
            self.mode is Mode.BETWEEN
            and self.left_m > 0.0
            and (side or heard.urgency is not Urgency.STOP)
        ):
            error = self.middle_deg + to_goal
            if abs(error) > 4.0:
                return Stride(0.0, math.copysign(min(BEAR_DPS, abs(error) / dt), error))
            return Stride(CREEP_MPS, 0.0)
        if self.mode is Mode.DODGE:
            ahead = side == 0 and heard.rate_hz >= BLOCKED_HZ
            if ahead or heard.urgency is Urgency.STOP:  # what is dodged still sounds
                if heard.urgency is Urgency.STOP and side == self.way and not self.turned:
                    self.way, self.turned = -self.way, True
                self.extra_deg = 0.0 if side else EXTRA_DEG
                return self._turn_away(to_goal)
            if self.extra_deg > 0.0:
                self.extra_deg -= TURN_DPS * dt
                return self._turn_away(to_goal)
            self.mode, self.listen_s = Mode.LISTEN, LISTEN_S
        if self.mode is Mode.LISTEN:
            self.listen_s -= dt
            if self.listen_s > 0.0:
                return Stride(0.0, 0.0)
            self.mode, self.left_m = Mode.PAST, PAST_M
        calm = self.calm_s >= CALM_S
        if heard.urgency is Urgency.STOP or (calm and side == 0 and heard.rate_hz >= BLOCKED_HZ):
            if side and self._is_between(side, -to_goal):
                self.mode, self.left_m = Mode.BETWEEN, BETWEEN_M
                return Stride(0.0, 0.0)
            if side or self.beside_s > 0.0:
                self.way = -(side or self.beside)
            elif self.mode is Mode.WALK:
                self.way = 1 if to_goal >= 0.0 else -1
            self.mode, self.turned = Mode.DODGE, False
            self.extra_deg = 0.0 if side else EXTRA_DEG
            return self._turn_away(to_goal)
        if heard.urgency >= Urgency.NEAR:
            if side == math.copysign(1, to_goal):
                self.left_m = max(self.left_m, AGAIN_M)  # not back into it
            self.mode = Mode.PAST
            self.bearing = (calm or self.bearing) and heard.rate_hz >= PRESSING_HZ
            bear = -side * BEAR_DPS if self.bearing else 0.0
            return Stride(CREEP_MPS if self.bearing else SLOW_MPS, bear)
        self.bearing = False
        if self.mode is Mode.PAST and self.left_m > 0.0:
            return Stride(EASY_MPS, 0.0)
        self.mode = Mode.WALK
        turn = max(min(to_goal / dt, HOME_DPS), -HOME_DPS)
        return Stride(CREEP_MPS if abs(to_goal) > 30.0 else SPEED_MPS, turn)

    def _is_between(self, side: int, off_deg: float) -> bool:
        """Stopped on one side, and just before on the other: there is a middle."""
        other = self.stopped.get(-side)
        self.stopped[side] = (off_deg, self.walked_m)
        if other is None or self.walked_m - other[1] > AGAIN_M:
            return False
        self.middle_deg = (other[0] + off_deg) / 2.0
        return True

    def _turn_away(self, to_goal: float) -> Stride:
        if -to_goal * self.way > FARTHEST_DEG and not self.turned:
            self.way, self.turned = -self.way, True
        return Stride(0.0, self.way * TURN_DPS)
