"""Depth in, scene out: ground, meters, obstacles, drop-offs, time to collision.

:class:`DepthZones` turns one depth map after the other into scenes; :func:`estimate_mount` finds
how the camera is worn; :func:`judge` says what keeps a frame from being seen.
"""

from sonar.zones.analyzer import DepthZones
from sonar.zones.calibrate import MountEstimate, estimate_mount
from sonar.zones.geometry import intrinsics, zone_borders
from sonar.zones.image_quality import judge, subsample

__all__ = [
    "DepthZones",
    "MountEstimate",
    "estimate_mount",
    "intrinsics",
    "judge",
    "subsample",
    "zone_borders",
]
