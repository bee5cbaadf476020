"""Walks through drawn scenes, seen by the zones with exact depth."""

import numpy as np

from sonar.capture.synthetic import SyntheticSource
from sonar.config import MountConfig, ZonesConfig
from sonar.types import Frame
from sonar.zones import DepthZones
from tests.exact import ExactDepth
from tests.truth import truth_at

MOUNT = MountConfig(height_m=1.4, pitch_deg=10.0, roll_deg=0.0, hfov_deg=62.0)


def play(scene, frames, *, rate_hz=10.0, mount=MOUNT, image=None, **depth):
    """Yields (zones, scene, truth) of each frame; ``image(frame)`` replaces what the zones see."""
    source = SyntheticSource(scene, rate_hz=rate_hz, frames=frames, size=(96, 128))
    engine, zones = ExactDepth(source, **depth), DepthZones(ZonesConfig(), mount)
    for k in range(frames):
        frame = source.frame_at(k)
        seen = frame if image is None else image(frame)
        yield zones, zones.update(engine.estimate(frame), seen), truth_at(source, k)


def see(
    scene, frames, *, rate_hz=10.0, mount=MOUNT, size=(96, 128), change=lambda d, s, k: d, **depth
):
    """Yields (scene, truth) of each frame by its depth alone: no image is drawn, none is judged.

    ``change(depth, source, frame_id)`` gives the map that the zones see.
    """
    source = SyntheticSource(scene, rate_hz=rate_hz, frames=frames, size=size)
    engine, zones = ExactDepth(source, **depth), DepthZones(ZonesConfig(), mount)
    nothing = np.zeros((1, 1, 3), np.uint8)
    for k in range(frames):
        t = k / rate_hz
        seen = change(engine.estimate(Frame(nothing, k, t)), source, k)
        yield zones.update_map(seen, k, size, t), truth_at(source, k)
