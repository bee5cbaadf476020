"""What stands in each vertical strip of the picture: for exploring by ear."""

from itertools import pairwise

import numpy as np

from sonar.config import ZonesConfig
from sonar.types import Column
from sonar.zones.evidence import DOUBT, Cells, Evidence
from sonar.zones.geometry import Pose
from sonar.zones.obstacles import rise, stands

COLUMNS = 24
_NEAR_SHARE = 0.1  # of a strip's standing cells: the distance of its near face
_LEAST_SHARE = 0.05  # of a strip's height that something must cover


def profile(
    evidence: Evidence, cells: Cells, pose: Pose, zones: ZonesConfig, columns: int = COLUMNS
) -> tuple[Column, ...]:
    """The nearest thing in each of ``columns`` strips, left to right.

    Unlike the zones it looks at the whole picture, not at the way ahead only; the ground, what
    is overhead, and what is beyond the far band count nothing.
    """
    space = evidence.space
    inside = space.valid & (space.height_m < zones.head_height_m)
    inside &= (space.ahead_m > 0.05) & (space.ahead_m < zones.bands.far_m)
    if evidence.floor is None:
        weight = rise(space, inside, cells.walkable, evidence.noise_w, pose.height_m)
    else:
        weight = stands(evidence.floor, inside, DOUBT)
    height, width = weight.shape
    edges = np.linspace(0, width, columns + 1).round().astype(int)
    found = []
    for begin, end in pairwise(edges.tolist()):
        end = max(end, begin + 1)
        rows, _ = np.nonzero(weight[:, begin:end] > 0)
        standing = weight[:, begin:end]
        ahead = space.ahead_m[:, begin:end][standing > 0]
        if ahead.size < max(2.0, _LEAST_SHARE * height * (end - begin)):
            found.append(Column(0.0, 0.0))
            continue
        near_m = float(np.quantile(ahead, _NEAR_SHARE))
        row = float(rows[ahead <= 1.3 * near_m].mean())
        elevation = 1.0 - row / max(1, height - 1)
        proximity = 1.0 - near_m / zones.bands.far_m
        found.append(Column(float(np.clip(proximity, 0.0, 1.0)), elevation))
    return tuple(found)
