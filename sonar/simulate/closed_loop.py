"""A walker that only hears: does the sound keep it from bumping into things?

A simulated walker wants to reach the end of a course. It knows the direction of the goal, and
otherwise nothing but the cue that is sounding: its side, its rate, whether it is continuous. The
world is drawn by :mod:`sonar.capture.synthetic`; depth is the exact one, spoilt with an unknown
scale, shift and noise; zones and mapper are the real ones. The same walker without sound is the
yardstick. What is counted are contacts per 100 m.

The walker is simple on purpose: what is measured is what the sound says, not how clever people
are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sonar.capture.synthetic import Box, Camera, ExactDepth, Role, SyntheticScene, SyntheticSource
from sonar.capture.synthetic.scenarios import ceiling, floor, person, wall
from sonar.config import MountConfig
from sonar.ports import CueMapper, ZoneAnalyser
from sonar.types import Cue, CueKind, Frame

BODY_RADIUS_M = 0.25
BODY_TOP_M = 1.8
RATE_HZ = 10.0
SIZE = (96, 128)
SPEED_MPS = 1.0
SLOW_MPS = 0.5
TURN_DPS = 40.0
HURRY_TURN_DPS = 70.0
HOME_DPS = 25.0  # back towards the goal while nothing sounds
LARGEST_TURN_DEG = 60.0
BESIDE_TURN_DPS = 12.0  # something near on one side only: bear away a little
HOLD_S = 1.2  # what was dodged is passed before turning back
FAST_PULSE_HZ = 4.0  # what the mapper plays from the close band on
HEARD_PULSE_HZ = 2.0  # slower pulses (far things) change nothing
RECOVER_BACK_M, RECOVER_ASIDE_M = 0.3, 0.5
REACTION_FRAMES = 3  # people turn a third of a second after they hear


@dataclass(frozen=True, slots=True)
class Course:
    """Something to walk through: boxes, some of them moving, and a goal ``length_m`` ahead."""

    name: str
    boxes: tuple[Box, ...]
    length_m: float
    half_width_m: float


@dataclass(frozen=True, slots=True)
class WalkResult:
    """One walk.

    Attributes:
        walked_m: path length.
        contacts: touches with obstacles, walls included; one touch counts once.
        reached: whether the goal was reached in time.
        seconds: simulated.
    """

    course: str
    walked_m: float
    contacts: int
    reached: bool
    seconds: float


@dataclass(slots=True)
class _Walker:
    x_m: float = 0.0
    y_m: float = 0.0
    yaw_deg: float = 0.0
    dodge: float = 1.0  # which way it turns when the sound is in the middle
    hold_s: float = 0.0  # goes straight on for this long after a warning
    walked_m: float = 0.0


def make_course(seed: int, *, length_m: float = 20.0) -> Course:
    """A corridor or hall with boxes, head-height bars and people; the same for the same seed."""
    rng = np.random.default_rng(seed)
    half = float(rng.uniform(1.4, 2.2))
    end = length_m + 4.0
    boxes = [
        floor(),
        ceiling(),
        wall((-half - 0.2, -4.0), (-half, end), "left wall"),
        wall((half, -4.0), (half + 0.2, end), "right wall"),
        wall((-half - 0.2, end), (half + 0.2, end + 0.2), "end wall"),
    ]
    y = float(rng.uniform(3.0, 4.5))
    index = 0
    while y < length_m - 1.0:
        kind = rng.choice(["box", "box", "post", "bar", "person", "walker"])
        # Always leaves a way of at least 1 m on one side.
        reach = half - 0.6
        x = float(rng.uniform(-reach, reach)) * 0.6
        name = f"{kind} {index}"
        if kind == "box":
            w = float(rng.uniform(0.2, 0.4))
            top = float(rng.uniform(0.5, 1.2))
            boxes.append(Box((x - w, y, 0.0), (x + w, y + 0.5, top), Role.OBSTACLE, name))
        elif kind == "post":
            boxes.append(
                Box((x - 0.1, y, 0.0), (x + 0.1, y + 0.2, 2.2), name=name, colour=(0.3, 0.5, 0.3))
            )
        elif kind == "bar":
            low, high = (-half, x) if rng.random() < 0.5 else (x, half)
            boxes.append(
                Box((low, y, 1.4), (high, y + 0.15, 1.7), name=name, colour=(0.8, 0.3, 0.2))
            )
        else:
            speed = 0.0 if kind == "person" else float(rng.uniform(-0.6, -0.3))
            start = y - speed * y / SPEED_MPS  # so that they meet at about y
            body = person(x, start, (0.0, speed, 0.0), (0.6, 0.25, 0.25))
            boxes.extend(replace(part, name=name) for part in body)
        index += 1
        y += float(rng.uniform(3.0, 5.0))
    return Course(f"course {seed}", tuple(boxes), length_m, half)


def walk(
    course: Course,
    analyser: Callable[[MountConfig], ZoneAnalyser] | None,
    mapper: Callable[[], CueMapper] | None,
    *,
    noise: float = 0.03,
    seed: int = 0,
    camera: Camera | None = None,
    limit_s: float | None = None,
) -> WalkResult:
    """One walk through a course.

    Args:
        analyser: makes the zones for a mount; None walks without sonar.
        mapper: makes the cue mapper.
        noise: of the depth, see :class:`sonar.capture.synthetic.ExactDepth`.
        seed: of the depth's scale, shift and noise.
        camera: height and angles; chest height by default.
        limit_s: gives up after this; three times the straight walk by default.
    """
    camera = camera or Camera(height_m=1.35, pitch_deg=12.0)
    rng = np.random.default_rng(seed)
    scale, shift = float(rng.uniform(0.3, 3.0)), float(rng.uniform(0.0, 0.5))
    ears = _Ears(course, camera, analyser, mapper, noise, scale, shift, seed)
    walker = _Walker()
    solids = [b for b in course.boxes if b.role is Role.OBSTACLE and b.low[2] < BODY_TOP_M]
    limit_s = limit_s if limit_s is not None else 3.0 * course.length_m / SPEED_MPS
    contacts, touching = 0, False
    heard: list[Cue | None] = [None] * REACTION_FRAMES
    step = 0
    while step / RATE_HZ < limit_s and walker.y_m < course.length_m:
        t = step / RATE_HZ
        heard.append(ears.listen(walker, t, step))
        _move(walker, heard.pop(0))
        hit = _touched(walker, [b.at(t) for b in solids])
        if hit is not None and not touching:
            contacts += 1
        touching = hit is not None
        if hit is not None:
            _recover(walker, hit, course.half_width_m)
        step += 1
    return WalkResult(
        course.name, walker.walked_m, contacts, walker.y_m >= course.length_m, step / RATE_HZ
    )


def contacts_per_100_m(results: Sequence[WalkResult]) -> float:
    """Over all walks together."""
    walked = sum(r.walked_m for r in results)
    return 100.0 * sum(r.contacts for r in results) / walked if walked else 0.0


class _Ears:
    """The chain from the world to the cue that sounds."""

    def __init__(
        self,
        course: Course,
        camera: Camera,
        analyser: Callable[[MountConfig], ZoneAnalyser] | None,
        mapper: Callable[[], CueMapper] | None,
        noise: float,
        scale: float,
        shift: float,
        seed: int,
    ) -> None:
        self._course, self._camera = course, camera
        mount = MountConfig(
            height_m=camera.height_m,
            pitch_deg=camera.pitch_deg,
            roll_deg=camera.roll_deg,
            hfov_deg=camera.hfov_deg,
        )
        self._zones = None if analyser is None else analyser(mount)
        self._mapper = None if mapper is None else mapper()
        self._noise, self._scale, self._shift = noise, scale, shift
        self._seed = seed

    def listen(self, walker: _Walker, t: float, step: int) -> Cue | None:
        """What sounds now; None without sonar."""
        if self._zones is None or self._mapper is None:
            return None
        # The gait: the same swing as in the scenarios.
        pitch = self._camera.pitch_deg + 0.7 * math.sin(2 * math.pi * 1.8 * t)
        here = replace(
            self._camera,
            x_m=walker.x_m,
            y_m=walker.y_m,
            yaw_deg=walker.yaw_deg,
            pitch_deg=pitch,
        )
        scene = SyntheticScene(tuple(b.at(t) for b in self._course.boxes), here)
        source = SyntheticSource(scene, rate_hz=RATE_HZ, frames=1, size=SIZE)
        drawn = source.frame_at(0)
        engine = ExactDepth(
            source,
            scale=self._scale,
            shift=self._shift,
            noise=self._noise,
            seed=self._seed * 100_003 + step,
        )
        depth = engine.estimate(drawn)
        return self._mapper.update(self._zones.update(depth, Frame(drawn.image, step, t)))


def _move(walker: _Walker, cue: Cue | None) -> None:
    """One step of the walker's whole policy."""
    dt = 1.0 / RATE_HZ
    speed, turn = SPEED_MPS, 0.0
    pulse = cue.rate_hz if cue is not None and cue.kind is CueKind.PULSE else 0.0
    danger = cue is not None and (cue.kind is CueKind.CONTINUOUS or pulse >= FAST_PULSE_HZ)
    if cue is not None and (danger or pulse >= HEARD_PULSE_HZ):
        beside = abs(cue.pan) > 0.3
        if beside:
            walker.dodge = -math.copysign(1.0, cue.pan)
        elif walker.hold_s <= 0.0 and abs(walker.x_m) > 0.2:
            walker.dodge = -math.copysign(1.0, walker.x_m)  # towards the way's middle
        if cue.kind is CueKind.CONTINUOUS:
            speed, turn = 0.0, walker.dodge * HURRY_TURN_DPS
        elif danger:
            speed, turn = SLOW_MPS / 2, walker.dodge * TURN_DPS
        else:
            speed = SLOW_MPS
            turn = walker.dodge * (BESIDE_TURN_DPS if beside else TURN_DPS)
        walker.hold_s = HOLD_S
    elif walker.hold_s > 0.0:
        walker.hold_s -= dt
    else:
        home = math.degrees(math.atan2(-walker.x_m, 4.0))
        turn = float(np.clip((home - walker.yaw_deg) / dt, -HOME_DPS, HOME_DPS))
    walker.yaw_deg += turn * dt
    if abs(walker.yaw_deg) > LARGEST_TURN_DEG:
        # It does not turn its back on the goal: it tries the other way.
        walker.yaw_deg = math.copysign(LARGEST_TURN_DEG, walker.yaw_deg)
        walker.dodge = -math.copysign(1.0, walker.yaw_deg)
    _advance(walker, speed * dt, walker.yaw_deg)


def _advance(walker: _Walker, metres: float, yaw_deg: float) -> None:
    walker.x_m += metres * math.sin(math.radians(yaw_deg))
    walker.y_m += metres * math.cos(math.radians(yaw_deg))
    walker.walked_m += abs(metres)


def _touched(walker: _Walker, boxes: Sequence[Box]) -> Box | None:
    """The box that the walker's upright cylinder touches, if any."""
    for box in boxes:
        dx = max(box.low[0] - walker.x_m, 0.0, walker.x_m - box.high[0])
        dy = max(box.low[1] - walker.y_m, 0.0, walker.y_m - box.high[1])
        if math.hypot(dx, dy) < BODY_RADIUS_M:
            return box
    return None


def _recover(walker: _Walker, box: Box, half_width_m: float) -> None:
    """After a touch, with or without sound: step back, feel the way round the freer side."""
    room = half_width_m - BODY_RADIUS_M - 0.05
    _advance(walker, -RECOVER_BACK_M, walker.yaw_deg)
    left_gap, right_gap = box.low[0] + half_width_m, half_width_m - box.high[0]
    side = math.copysign(1.0, right_gap - left_gap)
    if box.name in ("left wall", "right wall"):
        side = 1.0 if box.name == "left wall" else -1.0
        walker.yaw_deg = side * 10.0
    walker.x_m = float(np.clip(walker.x_m + side * RECOVER_ASIDE_M, -room, room))
    walker.walked_m += RECOVER_ASIDE_M
