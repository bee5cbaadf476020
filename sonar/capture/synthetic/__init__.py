"""Frames drawn from simple geometry, with exact depth; numpy only.

The ``synthetic:NAME`` source, and scenes for tests; what is ahead in them, and a depth engine that
knows their depth, are in :mod:`sonar.testing`.
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
from sonar.capture.synthetic.scene import Box, Camera, Role, SceneView, paint
from sonar.capture.synthetic.source import SyntheticSource

__all__ = [
    "SCENARIOS",
    "Box",
    "Camera",
    "Role",
    "SceneView",
    "SyntheticScene",
    "SyntheticSource",
    "ceiling",
    "floor",
    "hall",
    "paint",
    "person",
    "scenario",
    "wall",
]
