"""People and bicycles that go their way."""

import math
from dataclasses import dataclass, field

from sonar.lab.simulate.scenario import Moves, Point

COURTESY_M = 0.6  # nobody walks into somebody who is this near in front of them
_ROUND_CORNER_DPS = 240.0


@dataclass(slots=True)
class Motion:
    """Where a body is and which way it faces (degrees, mathematically: 0 faces +y, left positive).

    It stands until the walker comes within ``moves.trigger_m``, follows the path, and waits while
    the walker stands in its way: a collision is the walker's doing, except with who comes from
    behind or from the side, as in the street.
    """

    name: str
    start: Point
    start_turn_deg: float
    moves: Moves | None
    x_m: float = field(init=False)
    y_m: float = field(init=False)
    turn_deg: float = field(init=False)
    speed_mps: float = field(init=False, default=0.0)
    _leg: int = field(init=False, default=0)
    _back: bool = field(init=False, default=False)
    _started: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.x_m, self.y_m = self.start
        self.turn_deg = self.start_turn_deg
        if self.moves is not None:
            self.turn_deg = _bearing(self.start, self.moves.to[0])

    def step(self, dt_s: float, walker_x_m: float, walker_y_m: float) -> None:
        """``dt_s`` on."""
        moves, self.speed_mps = self.moves, 0.0
        if moves is None:
            return
        dx, dy = walker_x_m - self.x_m, walker_y_m - self.y_m
        self._started |= moves.trigger_m is None or math.hypot(dx, dy) <= moves.trigger_m
        points = (self.start, *moves.to)
        if not self._started or not 0 <= self._leg < len(moves.to):
            return
        target = points[self._leg if self._back else self._leg + 1]
        bearing = _bearing((self.x_m, self.y_m), target)
        error = (bearing - self.turn_deg + 180.0) % 360.0 - 180.0
        most = _ROUND_CORNER_DPS * dt_s
        self.turn_deg += min(max(error, -most), most)
        ahead = (-math.sin(math.radians(bearing)), math.cos(math.radians(bearing)))
        before = dx * ahead[0] + dy * ahead[1]
        beside = abs(dx * ahead[1] - dy * ahead[0])
        if 0.0 < before < COURTESY_M + 0.25 and beside < 0.5:
            return
        left = math.hypot(target[0] - self.x_m, target[1] - self.y_m)
        stride = min(moves.speed_mps * dt_s, left)
        self.x_m += stride * ahead[0]
        self.y_m += stride * ahead[1]
        self.speed_mps = stride / dt_s
        if left - stride < 1e-6:
            self._next_leg(moves)

    def _next_leg(self, moves: Moves) -> None:
        self._leg += -1 if self._back else 1
        if moves.loop and not 0 <= self._leg < len(moves.to):
            self._back = not self._back
            self._leg = len(moves.to) - 1 if self._back else 0


def _bearing(start: Point, end: Point) -> float:
    return math.degrees(math.atan2(-(end[0] - start[0]), end[1] - start[1]))
