"""Where each cell of a depth map looks: intrinsics, lens, pitch and roll, once per shape.

Conventions (all of zones/): camera axes x right, y down, z forward; ``ray = (x, y, 1)`` so that
``Z`` is depth along the optical axis and ``point = Z * ray``. Pitch is positive looking down,
roll positive when the camera's right side is lower. Inverse depth ``w = 1/Z`` in 1/m.

With ``g`` the unit vector of gravity in camera axes, ``q = ray . g``: a point at inverse depth
``w`` lies ``q / w`` below the camera, and the ground at camera height ``h`` has ``w = q / h``.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.config import MountConfig, SonarConfig, ZonesConfig
from sonar.types import FOCAL

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

DEFAULT_HEIGHT_M = 1.4  # a chest-worn camera
DEFAULT_FOV_DEG = 62.0  # longer side; a common phone main camera or webcam
DEFAULT_PITCH_DEG = 12.0  # wearers tilt it down a little
UNKNOWN_PITCH_SIGMA_DEG = 8.0
UNKNOWN_ROLL_SIGMA_DEG = 4.0
FINE_CELLS = 128  # longer side of the grid that obstacles are searched in
COARSE_CELLS = 64  # longer side of the grid that the ground is fitted on
STEPS_PER_DEG = 4  # tables are made for quarter degrees


@dataclass(frozen=True, slots=True)
class Pose:
    """Height above the ground in meters, pitch and roll in degrees, each with its sigma."""

    height_m: float
    pitch_deg: float
    roll_deg: float
    pitch_sigma_deg: float
    roll_sigma_deg: float
    height_known: bool


def pose_of(mount: MountConfig, sway_deg: float = 0.0) -> Pose:
    """The mount as a prior: what it does not know is wide around a default.

    One frame's angles lie around the mount's with a standard deviation of ``sway_deg``.
    """
    pitch, roll = mount.pitch_deg, mount.roll_deg
    pitch_sigma = mount.angle_sigma_deg if pitch is not None else UNKNOWN_PITCH_SIGMA_DEG
    roll_sigma = mount.angle_sigma_deg if roll is not None else UNKNOWN_ROLL_SIGMA_DEG
    return Pose(
        mount.height_m if mount.height_m is not None else DEFAULT_HEIGHT_M,
        pitch if pitch is not None else DEFAULT_PITCH_DEG,
        roll if roll is not None else 0.0,
        float(np.hypot(pitch_sigma, sway_deg)),
        float(np.hypot(roll_sigma, sway_deg)),
        mount.height_m is not None,
    )


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """Focal lengths and principal point in pixels of a frame ``width`` x ``height``."""

    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    distortion: tuple[float, ...] = ()


def intrinsics(mount: MountConfig, width: int, height: int) -> Intrinsics:
    """Intrinsics for a frame of this size.

    ``fx_px..`` are rescaled from the size they were calibrated at; where that is turned by 90
    degrees against this frame (portrait), x and y change places. Without them ``hfov_deg`` is
    the frame's own horizontal angle, and without that the longer side sees 62 degrees.
    """
    if mount.fx_px is None:
        side = width if mount.hfov_deg is not None else max(width, height)
        fx = fy = side / 2 / np.tan(np.radians((mount.hfov_deg or DEFAULT_FOV_DEG) / 2))
        cx, cy = (width - 1) / 2, (height - 1) / 2
    else:
        fx, fy = mount.fx_px, mount.fy_px or mount.fx_px
        cw, ch = mount.calibrated_width_px or width, mount.calibrated_height_px or height
        cx = mount.cx_px if mount.cx_px is not None else (cw - 1) / 2
        cy = mount.cy_px if mount.cy_px is not None else (ch - 1) / 2
        if (cw > ch) != (width > height) and cw != ch and width != height:
            fx, fy, cx, cy, cw, ch = fy, fx, cy, cx, ch, cw
        sx, sy = width / cw, height / ch
        fx, fy, cx, cy = fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5
    return Intrinsics(fx, fy, cx, cy, width, height, mount.distortion)


def zone_borders(config: SonarConfig, height: int, width: int) -> tuple[float, float]:
    """Where the zones meet at the horizon, as fractions of a frame's width from the left."""
    camera = intrinsics(config.mount, width, height)
    half = float(np.tan(np.radians(config.zones.center_width_deg / 2))) * camera.fx
    left, right = ((camera.cx + side * half + 0.5) / width for side in (-1, 1))
    return max(0.0, left), min(1.0, right)


def undistort(x: Array, y: Array, coefficients: tuple[float, ...]) -> tuple[Array, Array]:
    """Ideal ray coordinates of distorted ones (k1 k2 p1 p2 [k3], OpenCV's model).

    Fixed-point inversion, eight rounds; enough for lenses a person would wear.
    """
    k1, k2, p1, p2, k3 = [*coefficients, 0.0, 0.0, 0.0, 0.0, 0.0][:5]
    u, v = x, y
    for _ in range(8 if any(coefficients) else 0):
        r2 = np.minimum(u * u + v * v, 4.0)
        radial = np.maximum(1 + r2 * (k1 + r2 * (k2 + r2 * k3)), 0.2)
        u = (x - (2 * p1 * u * v + p2 * (r2 + 2 * u * u))) / radial
        v = (y - (p1 * (r2 + 2 * v * v) + 2 * p2 * u * v)) / radial
    return u.astype(np.float32), v.astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """How a depth map of one shape is reduced to cells, and where each cell looks.

    ``step`` is the block size that is averaged, or 0 where ``rows_at``/``cols_at`` pick single
    pixels; ``x``, ``y`` are ray coordinates, float32 arrays of ``shape``.
    """

    shape: tuple[int, int]
    step: int
    rows_at: NDArray[np.intp]
    cols_at: NDArray[np.intp]
    x: Array
    y: Array

    def reduce(self, values: Array) -> Array:
        """Cells of a map: block means, or picked pixels."""
        if self.step == 1 or values.shape == self.shape:
            return values
        if self.step == 0:
            return values[np.ix_(self.rows_at, self.cols_at)]
        # Sums of slices: four times as fast as a mean over axes.
        rows = values[0 :: self.step].copy()
        for i in range(1, self.step):
            rows += values[i :: self.step]
        total = rows[:, 0 :: self.step].copy()
        for j in range(1, self.step):
            total += rows[:, j :: self.step]
        total *= 1.0 / self.step**2
        return total


def make_grid(intr: Intrinsics, depth_hw: tuple[int, int], cells: int) -> Grid:
    """The grid for depth maps of this shape; the map may be stretched against the frame."""
    high, wide = depth_hw
    step = max(1, max(high, wide) // cells)
    rows, cols = high // step, wide // step
    if high % step or wide % step:
        step = 0
        rows = max(1, round(high * cells / max(high, wide)))
        cols = max(1, round(wide * cells / max(high, wide)))
    u = (np.arange(cols) + 0.5) * intr.width / cols - 0.5
    v = (np.arange(rows) + 0.5) * intr.height / rows - 0.5
    x, y = np.meshgrid((u - intr.cx) / intr.fx, (v - intr.cy) / intr.fy)
    ray_x, ray_y = undistort(x.astype(np.float32), y.astype(np.float32), intr.distortion)
    pick_r = np.minimum((np.arange(rows) + 0.5) * high / rows, high - 1).astype(np.intp)
    pick_c = np.minimum((np.arange(cols) + 0.5) * wide / cols, wide - 1).astype(np.intp)
    return Grid((rows, cols), step, pick_r, pick_c, ray_x, ray_y)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Per cell, for one pitch and roll: float32 arrays of the grid's shape.

    Attributes:
        q: component of the ray towards the ground (positive below the horizon).
        ahead: component straight ahead, horizontal; ``ahead / w`` is the distance in walking
            direction. Also the derivative of ``q`` by pitch, per radian.
        side: component to the right; ``side / w`` is the lateral offset in meters. Times
            cos(pitch) the derivative of ``q`` by roll.
    """

    pitch_deg: float
    roll_deg: float
    q: Array
    ahead: Array
    side: Array


def make_view(grid: Grid, pitch_deg: float, roll_deg: float) -> View:
    """Tables for one pitch and roll."""
    p, r = np.radians(np.clip(pitch_deg, -85, 85)), np.radians(roll_deg)
    # Unit vectors in camera axes: down, and in the horizontal plane ahead and to the right.
    down = np.array([np.sin(r) * np.cos(p), np.cos(r) * np.cos(p), np.sin(p)])
    ahead = np.array([0.0, 0.0, 1.0]) - down * down[2]
    ahead /= np.sqrt(ahead @ ahead)
    axes = np.array([down, ahead, np.cross(down, ahead)], np.float32)
    q, forward, side = (grid.x * a + grid.y * b + c for a, b, c in axes)
    return View(pitch_deg, roll_deg, q, forward, side)


@dataclass(frozen=True, slots=True, eq=False)
class Optics:
    """The grids of obstacles (fine) and of the ground (coarse: it reduces the fine one's cells)."""

    fine: Grid
    coarse: Grid
    lens: float  # FOCAL over this lens's focal length: see DepthKind.PER_CAMERA_HEIGHT

    def views(self, pitch_deg: float, roll_deg: float) -> tuple[View, View]:
        """Fine and coarse tables for the nearest quarter degree; a swaying walker's repeat."""
        return _views(self, round(pitch_deg * STEPS_PER_DEG), round(roll_deg * STEPS_PER_DEG))


@lru_cache(maxsize=8)
def optics_for(
    mount: MountConfig, frame_hw: tuple[int, int], depth_hw: tuple[int, int], blurred: bool
) -> Optics:
    """Grids for this camera, frame size and network size; what is ``blurred`` needs fewer cells."""
    intr = intrinsics(mount, frame_hw[1], frame_hw[0])
    fine = make_grid(intr, depth_hw, COARSE_CELLS if blurred else FINE_CELLS)
    lens = FOCAL * max(intr.width, intr.height) / float(np.sqrt(intr.fx * intr.fy))
    return Optics(fine, fine if blurred else make_grid(intr, fine.shape, COARSE_CELLS), lens)


@lru_cache(maxsize=32)
def _views(optics: Optics, pitch_step: int, roll_step: int) -> tuple[View, View]:
    pitch, roll = pitch_step / STEPS_PER_DEG, roll_step / STEPS_PER_DEG
    fine = make_view(optics.fine, pitch, roll)
    return fine, fine if optics.coarse is optics.fine else make_view(optics.coarse, pitch, roll)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One map, reduced to a grid: float32 arrays of its shape; ``d`` is larger for nearer,
    ``sigma`` the standard deviation of its natural log."""

    d: Array
    valid: Mask
    walkable: Array | None
    optics: Optics
    drop: Array | None = None
    sigma: Array | None = None

    def coarse(self) -> "Cells":
        """The cells of the coarse grid."""
        reduce = self.optics.coarse.reduce
        walkable = None if self.walkable is None else reduce(self.walkable)
        valid = reduce(self.valid.astype(np.float32)) > 0.99
        return Cells(reduce(self.d), valid, walkable, self.optics)


def zone_masks(view: View, zones: ZonesConfig) -> tuple[Mask, Mask, Mask]:
    """Left, center, right by viewing angle."""
    edge = view.ahead * np.float32(np.tan(np.radians(zones.center_width_deg / 2)))
    left, right = view.side < -edge, view.side > edge
    return left, ~(left | right), right
