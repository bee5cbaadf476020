"""Does the sound keep a walker from bumping into things?

A simulated walker follows the directions of a scenario's route and hears
(:mod:`sonar.lab.simulate.listener`); the same walker without sound is the yardstick. Contacts are
counted, falls over edges among them; who touches something feels the way round it by hand,
with or without sound. Standing still does not win: walks that time out are counted too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sonar.lab.simulate.ears import EarsFactory, Listens, eye_pose, mount_of
from sonar.lab.simulate.listener import SLOW_MPS, SPEED_MPS, Listener
from sonar.lab.simulate.scenario import Scenario
from sonar.lab.simulate.scene.body import BODY_RADIUS_M, Body
from sonar.lab.simulate.scene.stage import Stage
from sonar.lab.simulate.scene.world import World
from sonar.types import Cue, CueKind

RATE_HZ = 10.0
REACTION_FRAMES = 3  # people turn a third of a second after they hear
TIME_FACTOR = 4.0  # of the straight walk's time; then the walk counts as not arrived
STUCK_S, STUCK_M = 20.0, 0.5  # who stays this long within this much gives up
START_SPREAD_M, START_SPREAD_DEG = 0.25, 5.0
SIZE = (96, 128)
NETWORK_SIZE = (192, 256)


@dataclass(frozen=True, slots=True)
class WalkResult:
    """One walk.

    Attributes:
        walked_m: path length.
        way_m: how far along the route it came.
        contacts: what was touched, in order; a thing left behind and touched again counts again.
        falls: edges stepped over without having heard of them; they count as contacts too.
        edges_felt: edges met slowly, after a warning.
        reached: whether the goal was reached in time.
        seconds: simulated.
        warned_share: share of the time with a pulse or a tone, a sign of chatter.
    """

    scenario: str
    walked_m: float
    way_m: float
    contacts: tuple[str, ...]
    falls: int
    edges_felt: int
    reached: bool
    seconds: float
    warned_share: float


@dataclass(frozen=True, slots=True)
class Tick:
    """One moment of a walk, for whoever watches."""

    t: float
    x_m: float
    y_m: float
    yaw_deg: float
    cue: Cue | None
    mode: str
    touched: tuple[str, ...]


def walk(
    scenario: Scenario,
    ears: EarsFactory | None,
    *,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    textured: bool = False,
    end_m: float | None = None,
    limit_s: float | None = None,
    ticks: list[Tick] | None = None,
) -> WalkResult:
    """One walk through a scenario.

    Args:
        ears: makes the chain; None walks without sonar (and renders nothing).
        seed: of where exactly it starts.
        size, textured: of what the chain is given, see :class:`Stage`.
        end_m: only so many metres of the route; the goal then counts as reached there.
        limit_s: gives up after this; four times the straight walk by default.
        ticks: filled with every moment, if given.

    Raises:
        MissingExtraError: with ears, where MuJoCo is missing or cannot draw.
    """
    world = World(scenario)
    rng = np.random.default_rng((seed, 77))
    x, y = scenario.walk.start
    body = Body(
        world,
        x + float(rng.uniform(-START_SPREAD_M, START_SPREAD_M)),
        y,
        float(rng.uniform(-START_SPREAD_DEG, START_SPREAD_DEG)),
    )
    if ears is None:
        return _walk(body, None, end_m, limit_s, ticks)
    with Stage(world, size, pictures=textured, seed=seed) as stage:
        return _walk(body, ears(stage, mount_of(scenario.camera)), end_m, limit_s, ticks)


def _walk(
    body: Body,
    ears: Listens | None,
    end_m: float | None,
    limit_s: float | None,
    ticks: list[Tick] | None,
) -> WalkResult:
    world = body.world
    scenario = world.scenario
    length_m = min(body.route.length_m, end_m or math.inf)
    straight_s = length_m / SPEED_MPS
    limit_s = limit_s if limit_s is not None else TIME_FACTOR * straight_s
    listener = Listener()
    delayed: list[Cue | None] = [None] * REACTION_FRAMES
    dt, step, sounding = 1.0 / RATE_HZ, 0, 0
    moved, reached = 0.0, False
    stood = (0.0, body.x_m, body.y_m)
    while step * dt < limit_s and not reached:
        t = step * dt
        if math.hypot(body.x_m - stood[1], body.y_m - stood[2]) > STUCK_M:
            stood = (t, body.x_m, body.y_m)
        elif t - stood[0] > STUCK_S:
            break
        if ears is not None:
            pose = eye_pose(scenario.camera, body.x_m, body.y_m, body.yaw_deg, t)
            cue: Cue | None = ears.listen(pose, t)[1]
            sounding += cue is not None and cue.kind in (CueKind.PULSE, CueKind.CONTINUOUS)
            delayed.append(cue)
        else:
            delayed.append(None)
        now = delayed.pop(0)
        before = body.walked_m
        if body.feeling:
            body.feel(dt)
            moved = 0.0
        else:
            order = listener.decide(now, body.to_goal_deg, dt, moved)
            body.advance(order.speed_mps * dt, order.turn_dps * dt)
            moved = body.walked_m - before
        slow = moved <= SLOW_MPS * dt + 1e-6
        touched = body.touch(warned=slow and listener.drop_m > 0.0)
        world.step(dt, body.x_m, body.y_m)
        reached = body.arrived or body.way_m >= length_m
        if ticks is not None:
            mode = "feel" if body.feeling else listener.mode.value
            ticks.append(Tick(t, body.x_m, body.y_m, body.yaw_deg, now, mode, touched))
        step += 1
    return WalkResult(
        scenario.name,
        body.walked_m,
        body.way_m,
        tuple(body.contacts),
        body.falls,
        body.edges_felt,
        reached,
        step * dt,
        sounding / max(step, 1),
    )


@dataclass(frozen=True, slots=True)
class WalkTally:
    """Several walks together."""

    walks: int
    arrived: int
    contacts: int
    falls: int
    walked_m: float
    way_m: float
    seconds: float

    @property
    def per_100_m(self) -> float:
        """Contacts per 100 m walked."""
        return 100.0 * self.contacts / self.walked_m if self.walked_m else 0.0

    @property
    def per_100_m_way(self) -> float:
        """Contacts per 100 m of the routes: what walking to and fro cannot make smaller."""
        return 100.0 * self.contacts / self.way_m if self.way_m else 0.0


def tally(results: Sequence[WalkResult]) -> WalkTally:
    """The sums over walks."""
    return WalkTally(
        len(results),
        sum(r.reached for r in results),
        sum(len(r.contacts) for r in results),
        sum(r.falls for r in results),
        sum(r.walked_m for r in results),
        sum(r.way_m for r in results),
        sum(r.seconds for r in results),
    )


__all__ = ["BODY_RADIUS_M", "Tick", "WalkResult", "WalkTally", "tally", "walk"]
