"""Pictures drawn from simple geometry, with exact depth and truth; numpy only.

For tests, calibration checks and the ``synthetic:NAME`` source.
"""

from sonar.capture.synthetic.scenarios import SCENARIOS, SyntheticScene, scenario
from sonar.capture.synthetic.scene import Box, Camera, Role, View
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
    "mixed_noise",
    "scenario",
]
