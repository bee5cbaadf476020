"""Does the sound keep a walker from contacts?

A simulated walker follows the directions of a scenario's route and hears
(:mod:`sonar.lab.simulate.walker`), beside the same walker without sound. Contacts are counted,
falls over edges among them; who touches something feels the way round it by hand, with or without
sound. Standing still does not win: walks that time out are counted too.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from sonar.app import open_engine
from sonar.audio.cues import PulseMapper
from sonar.capture.synthetic import Camera
from sonar.config import MountConfig, SonarConfig
from sonar.lab.simulate.scenario import CameraSpec, Scenario
from sonar.lab.simulate.scene.body import Body
from sonar.lab.simulate.scene.stage import Rendering, Stage
from sonar.lab.simulate.scene.world import World
from sonar.lab.simulate.truth import mixed_noise
from sonar.lab.simulate.walker import SLOW_MPS, SPEED_MPS, Walker
from sonar.ports import CueMapper, Engine, ZoneAnalyzer
from sonar.types import Cue, CueKind, DepthMap, Frame, Scene
from sonar.zones import DepthZones

RATE_HZ = 10.0
REACTION_FRAMES = 3  # people turn a third of a second after they hear
TIME_FACTOR = 4.0  # of the straight walk's time; then the walk counts as not arrived
STUCK_S, STUCK_M = 20.0, 0.5  # who stays this long within this much gives up
START_SPREAD_M, START_SPREAD_DEG = 0.25, 5.0
SHORT_M = 7.0  # of the route, in the short form
SIZE = (96, 128)
NETWORK_SIZE = (192, 256)
GAIT_HZ, GAIT_DEG = 1.8, 0.7

DepthOf = Callable[[Stage, Rendering, Frame], DepthMap]
ZonesFor = Callable[[MountConfig], ZoneAnalyzer]


def inexact_depth(seed: int, noise: float = 0.03) -> DepthOf:
    """The exact depth as a network would give it: unknown scale and shift, and noise.

    ``noise``: standard deviation as a share of the inverse depth's 5th-95th percentile range,
    half of it smooth, see :func:`sonar.lab.simulate.truth.mixed_noise`.
    """
    fixed = np.random.default_rng(seed)
    scale, shift = float(fixed.uniform(0.3, 3.0)), float(fixed.uniform(0.0, 0.5))

    def depth(stage: Stage, rendering: Rendering, frame: Frame) -> DepthMap:
        inverse = 1.0 / np.maximum(rendering.depth_m.astype(np.float64), 0.02)
        low, high = np.quantile(inverse[::2, ::2], (0.05, 0.95))
        rng = np.random.default_rng((seed, frame.id))
        noisy = inverse + noise * (high - low) * mixed_noise(rng, inverse.shape)
        soft = stage.walkable(rendering) + noise * mixed_noise(rng, inverse.shape)
        return DepthMap(
            (scale * noisy + shift).astype(np.float32),
            walkable=np.clip(soft, 0.0, 1.0).astype(np.float32),
        )

    return depth


@dataclass(slots=True)
class Hearing:
    """What sounds at a pose: rendered, measured, judged, mapped. Keeps its state between calls."""

    stage: Stage
    depth: DepthOf
    zones: ZoneAnalyzer
    mapper: CueMapper
    steps: int = 0

    def listen(self, camera: Camera, t: float) -> Cue:
        """The cue at ``t`` seconds; call in the order of time."""
        return self.mapper.update(self.scene(self.stage.render(camera), t))

    def scene(self, rendering: Rendering, t: float) -> Scene:
        """What the zones make of a frame."""
        frame = Frame(rendering.image, self.steps, t)
        self.steps += 1
        return self.zones.update(self.depth(self.stage, rendering, frame), frame)


def mount_of(camera: CameraSpec) -> MountConfig:
    """The mount that the scenario's camera has."""
    return MountConfig(
        height_m=camera.height_m, pitch_deg=camera.pitch_deg, roll_deg=0.0, hfov_deg=camera.hfov_deg
    )


def camera_at(spec: CameraSpec, x_m: float, y_m: float, yaw_deg: float, t: float) -> Camera:
    """The camera on a walking chest: it swings with the gait."""
    pitch_deg = spec.pitch_deg + GAIT_DEG * math.sin(2 * math.pi * GAIT_HZ * t)
    roll_deg = 0.3 * GAIT_DEG * math.sin(math.pi * GAIT_HZ * t)
    return Camera(x_m, y_m, spec.height_m, yaw_deg, pitch_deg, roll_deg, spec.hfov_deg)


@dataclass(frozen=True, slots=True)
class Way:
    """One way of hearing, by ``name``.

    ``hearing`` makes the chain on a stage, by a seed; None is the walker without sonar, which
    renders nothing. ``size`` is that of its frames.
    """

    name: str
    hearing: Callable[[Stage, int], Hearing] | None = None
    size: tuple[int, int] = SIZE


WITHOUT = Way("without sonar")


def exact(zones: ZonesFor, mapper: Callable[[], CueMapper]) -> Way:
    """Zones and sound, on exact depth with an unknown scale, shift and noise."""

    def hearing(stage: Stage, seed: int) -> Hearing:
        mount = mount_of(stage.world.scenario.camera)
        return Hearing(stage, inexact_depth(seed), zones(mount), mapper())

    return Way("sonar, exact depth", hearing)


def network(engine: Engine, zones: ZonesFor, mapper: Callable[[], CueMapper]) -> Way:
    """The whole chain: the network on rendered images."""

    def depth(stage: Stage, rendering: Rendering, frame: Frame) -> DepthMap:
        return engine.estimate(frame)

    def hearing(stage: Stage, seed: int) -> Hearing:
        return Hearing(stage, depth, zones(mount_of(stage.world.scenario.camera)), mapper())

    return Way("sonar, network", hearing, NETWORK_SIZE)


@contextmanager
def ways(config: SonarConfig, depth: str) -> Iterator[list[Way]]:
    """The walker without sonar, and with it on ``depth``: "exact", "network" or "both".

    Raises ModelError or MissingExtraError for the network, which must be prepared.
    """
    zones = partial(DepthZones, config.zones)
    mapper = partial(PulseMapper, config.audio, config.speech)
    found = [WITHOUT, *([exact(zones, mapper)] if depth != "network" else [])]
    if depth == "exact":
        yield found
        return
    with closing(open_engine(config)) as engine:
        yield [*found, network(engine, zones, mapper)]


@dataclass(frozen=True, slots=True)
class WalkResult:
    """One walk.

    Attributes:
        walked_m: path length.
        way_m: how far along the route it came.
        contacts: what was touched, in order; a thing left behind and touched again counts again.
        falls: edges stepped over without having heard of them; they count as contacts too.
        reached: whether the goal was reached in time.
        seconds: simulated.
        warned_share: share of the time with a pulse or a tone, a sign of chatter.
    """

    scenario: str
    walked_m: float
    way_m: float
    contacts: tuple[str, ...]
    falls: int
    reached: bool
    seconds: float
    warned_share: float


def walk(
    scenario: Scenario, way: Way = WITHOUT, *, seed: int = 0, end_m: float = math.inf
) -> WalkResult:
    """One walk through a scenario.

    Args:
        seed: of where exactly it starts.
        end_m: only so many meters of the route; the goal then counts as reached there.

    Raises:
        MissingExtraError: with ears, where MuJoCo is missing or cannot draw.
    """
    world = World(scenario)
    rng = np.random.default_rng((seed, 77))
    x, y = scenario.walk.start
    x += float(rng.uniform(-START_SPREAD_M, START_SPREAD_M))
    body = Body(world, x, y, float(rng.uniform(-START_SPREAD_DEG, START_SPREAD_DEG)))
    if way.hearing is None:
        return _walk(body, None, end_m)
    with Stage(world, way.size, seed=seed) as stage:
        return _walk(body, way.hearing(stage, seed), end_m)


def _walk(body: Body, hearing: Hearing | None, end_m: float) -> WalkResult:
    world = body.world
    scenario = world.scenario
    length_m = min(body.route.length_m, end_m)
    limit_s = TIME_FACTOR * length_m / SPEED_MPS
    walker = Walker()
    delayed: list[Cue | None] = [None] * REACTION_FRAMES
    dt, step, sounding = 1.0 / RATE_HZ, 0, 0
    moved, reached = 0.0, False
    stayed = (0.0, body.x_m, body.y_m)
    while step * dt < limit_s and not reached:
        t = step * dt
        if math.dist(stayed[1:], (body.x_m, body.y_m)) > STUCK_M:
            stayed = (t, body.x_m, body.y_m)
        elif t - stayed[0] > STUCK_S:
            break
        cue = None
        if hearing is not None:
            camera = camera_at(scenario.camera, body.x_m, body.y_m, body.yaw_deg, t)
            cue = hearing.listen(camera, t)
            sounding += cue.kind in (CueKind.PULSE, CueKind.CONTINUOUS)
        delayed.append(cue)
        now = delayed.pop(0)
        before = body.walked_m
        if body.feeling:
            body.feel(dt)
            moved = 0.0
        else:
            stride = walker.decide(now, body.to_goal_deg, dt, moved)
            body.advance(stride.speed_mps * dt, stride.turn_dps * dt)
            moved = body.walked_m - before
        slow = moved <= SLOW_MPS * dt + 1e-6
        body.touch(warned=slow and walker.drop_m > 0.0)
        world.step(dt, body.x_m, body.y_m)
        reached = body.arrived or body.way_m >= length_m
        step += 1
    return WalkResult(
        scenario.name,
        body.walked_m,
        body.way_m,
        tuple(body.contacts),
        body.falls,
        reached,
        step * dt,
        sounding / max(step, 1),
    )


def sums(results: Sequence[WalkResult]) -> dict[str, Any]:
    """Over several walks. ``contacts_per_100_m`` is by meters walked, ``..._of_route`` by meters of
    the routes, which walking to and fro cannot increase."""
    contacts = sum(len(r.contacts) for r in results)
    walked_m, way_m = sum(r.walked_m for r in results), sum(r.way_m for r in results)
    return {
        "walks": len(results),
        "arrived": sum(r.reached for r in results),
        "contacts": contacts,
        "falls": sum(r.falls for r in results),
        "walked_m": walked_m,
        "way_m": way_m,
        "seconds": sum(r.seconds for r in results),
        "contacts_per_100_m": round(100.0 * contacts / walked_m, 2) if walked_m else 0.0,
        "contacts_per_100_m_of_route": round(100.0 * contacts / way_m, 2) if way_m else 0.0,
    }


def run(
    scenarios: Sequence[Scenario],
    ways: Sequence[Way],
    *,
    seeds: Sequence[int] = (0,),
    short: bool = False,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> dict[str, list[WalkResult]]:
    """Every way through every scenario, from every seed's start; by the way's name.

    Args:
        short: only the first meters of each route.

    Raises:
        MissingExtraError: MuJoCo is missing or cannot draw.
    """
    found: dict[str, list[WalkResult]] = {way.name: [] for way in ways}
    walks = list(product(ways, scenarios, seeds))
    for done, (way, scenario, seed) in enumerate(walks, 1):
        end_m = SHORT_M if short else math.inf
        found[way.name].append(walk(scenario, way, seed=seed, end_m=end_m))
        progress(done, len(walks))
    return found


def as_json(
    walked: Mapping[str, Sequence[WalkResult]], seeds: Sequence[int], short: bool
) -> dict[str, Any]:
    """Everything, for machines: schema ``sonar.walks/1``."""
    ways = [
        {"way": way, **sums(results), "results": [asdict(r) for r in results]}
        for way, results in walked.items()
    ]
    return {"schema": "sonar.walks/1", "seeds": list(seeds), "short": short, "ways": ways}


def table(walked: Mapping[str, Sequence[WalkResult]]) -> list[str]:
    """The sums, a line for each way; for people and screen readers."""
    lines = []
    for way, results in walked.items():
        s = sums(results)
        lines.append(
            f"{way:<20}{s['contacts_per_100_m']:5.1f} contacts per 100 m "
            f"({s['contacts_per_100_m_of_route']:.1f} per 100 m of route), {s['contacts']} in all, "
            f"{s['falls']} of them falls; {s['arrived']} of {s['walks']} arrived, "
            f"{s['seconds']:.0f} s"
        )
    return lines
