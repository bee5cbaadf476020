"""Frames drawn from simple geometry, with exact depth and truth; numpy only.

For tests, calibration checks, the ear trainer and the ``synthetic:NAME`` source.
"""

from sonar.capture.synthetic.scenarios import (
    SCENARIOS,
    SyntheticScene,
    ceiling,
    floor,
    hall,
    person,
    scenario,
    wall,
)
from sonar.capture.synthetic.scene import Box, Camera, Role, View, paint
from sonar.capture.synthetic.source import ExactDepth, SyntheticSource, mixed_noise
from sonar.capture.synthetic.truth import SceneTruth, ZoneTruth

__all__ = [
    "SCENARIOS",
    "Box",
    "Camera",
    "ExactDepth",
    "Role",
    "SceneTruth",
    "SyntheticScene",
    "SyntheticSource",
    "View",
    "ZoneTruth",
    "ceiling",
    "floor",
    "hall",
    "mixed_noise",
    "paint",
    "person",
    "scenario",
    "wall",
]
