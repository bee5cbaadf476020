"""The chain from a rendered world to the cue that sounds."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sonar.config import MountConfig, ZonesConfig
from sonar.lab.simulate.scenario import CameraSpec
from sonar.lab.simulate.scene.offscreen import CameraPose
from sonar.lab.simulate.scene.stage import Rendering, Stage
from sonar.lab.simulate.truth import drop_ahead, nearest_things
from sonar.ports import CueMapper, Engine, ZoneAnalyser
from sonar.testing.exact import mixed_noise
from sonar.types import SIDES, Band, Cue, DepthMap, Frame, Height, Scene, ZoneReading

GAIT_HZ, GAIT_DEG = 1.8, 0.7


class DepthOf(Protocol):
    """Depth of what is seen."""

    def __call__(self, stage: Stage, sight: Rendering, frame: Frame) -> DepthMap: ...


@dataclass(slots=True)
class SpoiltDepth:
    """The exact depth as a network would give it: unknown scale and shift, and noise.

    ``noise``: standard deviation as a share of the inverse depth's 5th-95th percentile range,
    half of it smooth, as :class:`sonar.testing.exact.ExactDepth` has it.
    """

    seed: int
    noise: float = 0.03

    def __call__(self, stage: Stage, sight: Rendering, frame: Frame) -> DepthMap:
        fixed = np.random.default_rng(self.seed)
        scale, shift = float(fixed.uniform(0.3, 3.0)), float(fixed.uniform(0.0, 0.5))
        inverse = 1.0 / np.maximum(sight.depth_m.astype(np.float64), 0.02)
        low, high = np.quantile(inverse[::2, ::2], (0.05, 0.95))
        rng = np.random.default_rng((self.seed, frame.id))
        spoilt = inverse + self.noise * (high - low) * mixed_noise(rng, inverse.shape)
        soft = stage.walkable(sight) + self.noise * mixed_noise(rng, inverse.shape)
        return DepthMap(
            (scale * spoilt + shift).astype(np.float32),
            walkable=np.clip(soft, 0.0, 1.0).astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class NetworkDepth:
    """What the network makes of the rendered picture."""

    engine: Engine

    def __call__(self, stage: Stage, sight: Rendering, frame: Frame) -> DepthMap:
        return self.engine.estimate(frame)


@dataclass(slots=True)
class Hearing:
    """What sounds at a pose: rendered, measured, judged, mapped. Keeps its state between calls."""

    stage: Stage
    depth: DepthOf
    zones: ZoneAnalyser
    mapper: CueMapper
    steps: int = 0

    def listen(self, pose: CameraPose, t: float) -> tuple[Scene, Cue]:
        """The scene and the cue at ``t`` seconds; call in the order of time."""
        sight = self.stage.look(pose)
        frame = Frame(sight.image, self.steps, t)
        self.steps += 1
        scene = self.zones.update(self.depth(self.stage, sight, frame), frame)
        return scene, self.mapper.update(scene)


@dataclass(slots=True)
class TrueEars:
    """As Hearing, but zones and drops are read from the geometry, without time to collision:
    shows which contacts are the sound's and the walker's own."""

    stage: Stage
    zones: ZonesConfig
    mapper: CueMapper
    steps: int = 0

    def listen(self, pose: CameraPose, t: float) -> tuple[Scene, Cue]:
        found = nearest_things(self.stage, self.stage.look(pose), pose, self.zones)
        far_m = self.zones.bands.far_m
        readings = []
        for side in SIDES:
            ahead = found[side]
            if ahead is None or ahead.distance_m >= far_m:
                readings.append(ZoneReading(side, Band.CLEAR))
                continue
            edges = self.zones.bands
            steps = (
                (edges.stop_m, Band.STOP),
                (edges.close_m, Band.CLOSE),
                (edges.near_m, Band.NEAR),
            )
            band = next((b for edge, b in steps if ahead.distance_m < edge), Band.FAR)
            near = 1.0 - ahead.distance_m / far_m
            head = self.stage.world.kind_of(ahead.thing) == "head"
            height = Height.HEAD if head else Height.BODY
            readings.append(ZoneReading(side, band, near, ahead.distance_m, None, None, height))
        drop = drop_ahead(self.stage, pose)
        left, center, right = readings
        scene = Scene(self.steps, t, left, center, right, drop is not None and drop < far_m, drop)
        self.steps += 1
        return scene, self.mapper.update(scene)


class Listens(Protocol):
    """Whatever gives a cue at a pose."""

    def listen(self, pose: CameraPose, t: float) -> tuple[Scene, Cue]: ...


EarsFactory = Callable[[Stage, MountConfig], Listens]


def mount_of(camera: CameraSpec) -> MountConfig:
    """The mount that the scenario's camera has."""
    return MountConfig(
        height_m=camera.height_m, pitch_deg=camera.pitch_deg, roll_deg=0.0, hfov_deg=camera.hfov_deg
    )


def eye_pose(camera: CameraSpec, x_m: float, y_m: float, yaw_deg: float, t: float) -> CameraPose:
    """The camera on a walking chest: the same swing as in the other walks."""
    step = math.sin(2 * math.pi * GAIT_HZ * t)
    return CameraPose(
        x_m,
        y_m,
        camera.height_m,
        yaw_deg,
        camera.pitch_deg + GAIT_DEG * step,
        0.3 * GAIT_DEG * math.sin(math.pi * GAIT_HZ * t),
    )
