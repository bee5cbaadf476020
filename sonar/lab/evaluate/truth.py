"""What is really ahead, from measured depth.

Distances are horizontal, along the way the camera looks, from the camera to the nearest obstacle
in the corridor; floor removed; sides by viewing angle, as the zones' configuration says.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.lab.evaluate.data import DatasetIntrinsics, FrameMount
from sonar.types import SIDES, FloatImage, Side

MIN_MEASURED = 0.30  # share of a zone's pixels that must be measured
MIN_AREA = 0.004  # share of the image that an obstacle must cover in a zone
WINDOW_M = 0.30  # its pixels lie within this depth of each other
NEAR_SHARE = 0.10  # its distance is this quantile of them: near face, without the last speckle
FLOOR_M = 0.10  # what rises less above the floor is floor...
FLOOR_PER_M = 0.02  # ...plus this for every meter of distance (sensor and angle errors)
LOWER_M, LOWER_PER_M = 0.08, 0.01  # what lies more than this below the floor is beyond a drop
LOWER_AREA = 0.001  # share of the image that it must cover
LOWER_REACH_M, LOWER_SIDE_M = 6.0, 1.0

Mask = NDArray[np.bool_]
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ZoneMeasured:
    """One side of one frame.

    Attributes:
        measured: enough of the zone has a measurement; where False, nothing is known.
        distance_m: to the nearest obstacle, None where there is none.
    """

    side: Side
    measured: bool
    distance_m: float | None


@dataclass(frozen=True, slots=True)
class Plane:
    """The floor under a camera, found in measured depth."""

    height_m: float
    pitch_deg: float
    roll_deg: float


def rays(shape: tuple[int, int], k: DatasetIntrinsics) -> tuple[Float, Float]:
    """x and y of every pixel's ray (x, y, 1), each of ``shape``."""
    x, y = np.meshgrid((np.arange(shape[1]) - k.cx) / k.fx, (np.arange(shape[0]) - k.cy) / k.fy)
    return x, y


@dataclass(frozen=True, slots=True)
class Measured:
    """What is ahead in one frame.

    Attributes:
        zones: left, center, right.
        lower: whether something lower than the floor is seen ahead: a warning of a drop is right.
    """

    zones: tuple[ZoneMeasured, ZoneMeasured, ZoneMeasured]
    lower: bool


def measure(
    depth_m: FloatImage, k: DatasetIntrinsics, mount: FrameMount, zones: ZonesConfig
) -> Measured:
    """The truth of one frame.

    Args:
        depth_m: float32 (H, W), meters along the optical axis, NaN where not measured, infinite
            where nothing is.
        k: the camera.
        mount: complete height and angles.
    """
    assert mount.pitch_deg is not None and mount.roll_deg is not None and mount.height_m is not None
    x, y = rays((depth_m.shape[0], depth_m.shape[1]), k)
    p, r = math.radians(mount.pitch_deg), math.radians(mount.roll_deg)
    lowered = y * math.cos(r) + x * math.sin(r)
    ray_down = lowered * math.cos(p) + math.sin(p)
    ray_ahead = math.cos(p) - lowered * math.sin(p)
    ray_side = x * math.cos(r) - y * math.sin(r)
    azimuth = np.degrees(np.arctan2(ray_side, np.maximum(ray_ahead, 1e-6)))
    measured, there = ~np.isnan(depth_m), np.isfinite(depth_m)
    depth = np.where(there, depth_m, 0.0)
    ahead, side = ray_ahead * depth, np.abs(ray_side * depth)
    up = mount.height_m - ray_down * depth
    obstacle = (
        there
        & (up > FLOOR_M + FLOOR_PER_M * ahead)
        & (up <= zones.head_height_m)
        & (side <= zones.corridor_width_m / 2)
        & (ahead > 0.05)
    )
    half = zones.center_width_deg / 2
    masks: tuple[Mask, Mask, Mask] = (azimuth < -half, np.abs(azimuth) <= half, azimuth > half)
    needed = max(1, round(MIN_AREA * depth_m.size))
    readings = []
    for name, mask in zip(SIDES, masks, strict=True):
        total = int(np.count_nonzero(mask))
        enough = total > 0 and np.count_nonzero(measured & mask) >= MIN_MEASURED * total
        distance = nearest_group(ahead[obstacle & mask], needed) if enough else None
        readings.append(ZoneMeasured(name, bool(enough), distance))
    low = (
        there
        & (up < -LOWER_M - LOWER_PER_M * ahead)
        & (ahead < LOWER_REACH_M)
        & (side < LOWER_SIDE_M)
    )
    lower = bool(np.count_nonzero(low) > LOWER_AREA * depth_m.size)
    return Measured((readings[0], readings[1], readings[2]), lower)


def nearest_group(distances_m: Float, needed: int) -> float | None:
    """Distance of the nearest ``needed`` pixels that lie within ``WINDOW_M``, or None."""
    if distances_m.size < needed:
        return None
    ordered = np.sort(distances_m)
    span = ordered[needed - 1 :] - ordered[: ordered.size - needed + 1]
    hits = np.flatnonzero(span <= WINDOW_M)
    if not hits.size:
        return None
    first = int(hits[0])
    group = ordered[first : np.searchsorted(ordered, ordered[first] + WINDOW_M, side="right")]
    return float(np.quantile(group, NEAR_SHARE))


def fit_floor(depth_m: FloatImage, k: DatasetIntrinsics, *, seed: int = 0) -> Plane | None:
    """The floor in measured depth: the plane below the camera with nothing beneath it.

    A plane is ``1/Z = a x + b y + c`` with ``(a, b, c) = gravity / height``: RANSAC over triples
    of pixels, then least squares on the inliers. A table is distinguished from the floor by what
    lies below it, where any floor is seen.

    Returns:
        The plane, or None where none with a plausible height (0.3 to 2.5 m), pitch (-35 to 70
        degrees) and roll (up to 35) holds 4 % of the measured pixels.
    """
    rng = np.random.default_rng(seed)
    x, y = rays((depth_m.shape[0], depth_m.shape[1]), k)
    rows, cols = np.nonzero(np.isfinite(depth_m) & (depth_m < 8.0))
    if rows.size < 500:
        return None
    pick = rng.choice(rows.size, min(5000, rows.size), replace=False)
    rows, cols = rows[pick], cols[pick]
    w = 1.0 / depth_m[rows, cols].astype(np.float64)
    points = np.stack([x[rows, cols], y[rows, cols], np.ones(rows.size)], axis=1)
    lower = np.flatnonzero(rows > depth_m.shape[0] * 0.4)
    if lower.size < 200:
        return None
    triples = rng.choice(lower, (1500, 3))
    a = points[triples]
    usable = np.abs(np.linalg.det(a)) > 1e-4
    planes = np.linalg.solve(a[usable], w[triples[usable]][:, :, None])[:, :, 0]
    best = max((g for g in planes if _plane(g)), key=lambda g: _score(points @ g, w), default=None)
    if best is None or _score(points @ best, w) <= 0:
        return None
    for _ in range(4):
        inlier = np.abs(points @ best - w) < 0.025 * w
        if np.count_nonzero(inlier) < 50:
            return None
        # Weighted by 1/w: errors of depth grow with its square, those of inverse depth do not.
        best = np.linalg.lstsq(points[inlier] / w[inlier, None], np.ones(inlier.sum()))[0]
    share = float(np.mean(np.abs(points @ best - w) < 0.025 * w))
    if share < 0.04 or np.mean(w < 0.9 * (points @ best)) > 0.06:
        return None
    return _plane(best)


def _score(predicted: Float, w: Float) -> int:
    on = np.count_nonzero(np.abs(predicted - w) < 0.02 * w)
    # Farther than the plane along a ray that meets it: below the floor.
    below = np.count_nonzero(w < 0.93 * predicted)
    return int(on - 4 * below)


def _plane(g: Float) -> Plane | None:
    """None where it cannot be a floor."""
    size = float(np.linalg.norm(g))
    if size < 1e-6:
        return None
    down, height = g / size, 1.0 / size
    pitch = math.degrees(math.asin(float(np.clip(down[2], -1, 1))))
    roll = math.degrees(math.atan2(float(down[0]), float(down[1])))
    if not (0.3 <= height <= 2.5 and -35 <= pitch <= 70 and abs(roll) <= 35):
        return None
    return Plane(height, pitch, roll)
