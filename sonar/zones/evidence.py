"""One frame's evidence: cells of the map, placed in meters, and what they weigh as obstacles.

Also the profile: the nearest obstacle in each vertical strip of the frame, to explore by ear.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sonar.config import MountConfig, ZonesConfig
from sonar.types import Column, DepthKind, DepthMap
from sonar.zones.geometry import (
    COARSE_CELLS,
    FINE_CELLS,
    Array,
    Cells,
    Mask,
    MetricCells,
    Pose,
    View,
    optics_for,
    to_space,
)
from sonar.zones.ground import GroundFit
from sonar.zones.network import (
    NetworkPrior,
    frame_features,
    free_way,
    ground_probability,
    obstacle_inverse,
    zone_features,
)
from sonar.zones.obstacles import Obstacle, obstacle_weight, rise
from sonar.zones.scale import Scale

MIN_AREA = 0.003  # share of the cells that an obstacle must cover in a zone
MIN_AREA_WEIGHED = 0.002  # the same where cells are weighed by the probability of an obstacle
MAX_OUTPUT = 1e12  # an output beyond is a broken cell
MIN_NOISE_Q = 0.008
NO_GROUND_NOISE_Q = 0.06
NETWORK_NOISE = 0.05  # share of a distance by which a map is wrong besides its scale
USUAL_M, USUAL_LOG = 1.5, 0.8  # obstacles in the way are there, within this
# The same for a small network: it overestimates the distance of what it misses, which does more
# harm than the opposite. Distances are also shortened a little, but not far ones, or a free way
# would sound.
BIASED_M, BIASED_LOG, BIASED_NEARER_LOG = 1.0, 0.5, 0.05
BIASED_LOGS = math.log(2.0), math.log(4.0)  # all of that within 2 m, none beyond 4 m
CORRELATED = (
    2.0  # two cues look at what is walkable: their errors are correlated, they count as one
)
UNKNOWN_HEIGHT_LOG = 0.15  # people wear cameras at 1.1 to 1.7 m
COLUMNS = 24
NEAR_FACE_SHARE = 0.1  # of a strip's obstacle cells: the distance of its near face
MIN_STRIP_SHARE = 0.05  # of a strip's height that an obstacle must cover

Estimate = tuple[float, float]
"""The log of a distance in meters, and its standard deviation."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change from frame to frame.

    Attributes:
        prior: what the output of the model that made the present map is worth, or None.
        tracked: pitch and roll in ``mount`` are this very frame's (an IMU, a recording's poses).
    """

    zones: ZonesConfig
    mount: MountConfig
    prior: NetworkPrior | None = None
    tracked: bool = False


def to_cells(depth: DepthMap, frame_hw: tuple[int, int], settings: Settings) -> Cells | None:
    """Reduce a map; None where most of it is missing."""
    metric = depth.kind is DepthKind.METRIC
    # A network whose traits are known blurs, and needs fewer cells.
    count = FINE_CELLS if metric or settings.prior is None else COARSE_CELLS
    optics = optics_for(settings.mount, frame_hw, depth.values.shape, count)
    walkable = None
    with np.errstate(invalid="ignore", over="ignore"):
        d = optics.fine.reduce(depth.values)
        if metric:
            d = np.where(d > 0.05, 1.0 / np.maximum(d, np.float32(0.05)), np.float32(np.nan))
        valid = np.abs(d) < MAX_OUTPUT  # false for NaN too
        if depth.walkable is not None:
            walkable = optics.fine.reduce(depth.walkable)
            walkable = np.where(np.abs(walkable) < np.inf, walkable, np.float32(0))
            walkable = np.minimum(np.maximum(walkable, np.float32(0)), np.float32(1))
    seen = int(np.count_nonzero(valid))
    if seen < 0.4 * valid.size:
        return None
    return Cells(
        d if seen == valid.size else np.where(valid, d, np.float32(0)), valid, walkable, optics
    )


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one frame says under the present scale.

    Attributes:
        prior: traits of the network that made the map, or None.
        uncertainty: of such a network (:func:`sonar.zones.network.out_of_distribution`).
        space: every cell in meters.
        noise_w: standard deviation of inverse depth around the ground, 1/m.
        ground: probability per cell, or None without a prior.
    """

    cells: Cells
    view: View
    scale: Scale
    pose: Pose
    prior: NetworkPrior | None
    uncertainty: float
    space: MetricCells
    noise_w: float
    ground: Array | None = None

    @property
    def needed(self) -> float:
        """The weight of cells that makes an obstacle."""
        size = self.space.w.size
        return max(6.0, MIN_AREA * size) if self.prior is None else MIN_AREA_WEIGHED * size

    def weights(self, inside: Mask) -> Array:
        """How much each cell counts as an obstacle, 0 to 1; nothing but ``inside``."""
        if self.ground is not None:
            return obstacle_weight(self.ground, inside)
        return rise(self.space, inside, self.cells.walkable, self.noise_w, self.pose.height_m)

    def sigma_log(self, d: float, u: float) -> float:
        """Standard deviation of the log of a distance: scale, network, unknown camera height.

        Args:
            d, u: raw output and inverse distance in camera heights.
        """
        row = np.array([d, 1.0])
        variance = float(row @ self.scale.cov @ row) / max(u, 0.02) ** 2
        variance += self._network_sigma**2
        if not self.pose.height_known:
            variance += UNKNOWN_HEIGHT_LOG**2
        return math.sqrt(variance)

    @property
    def _network_sigma(self) -> float:
        prior = self.prior
        return NETWORK_NOISE if prior is None else prior.obstacle_sigma.at(self.uncertainty)

    def free_sigma(self, at_m: float) -> float:
        """:meth:`sigma_log` of an obstacle that would be at ``at_m`` meters."""
        u = self.pose.height_m / at_m
        return self.sigma_log((u - self.scale.beta) / self.scale.alpha, u)

    @cached_property
    def _shared_features(self) -> list[float]:
        walkable = self.cells.walkable
        assert walkable is not None
        return frame_features(self.cells.d, walkable, self.view.q, self.uncertainty)

    def regressed(self, zone: Mask, is_side: bool) -> Estimate | None:
        """The distance of the nearest obstacle by the statistics of a zone, or None."""
        if self.prior is None or self.cells.walkable is None:
            return None
        features = zone_features(
            self.cells.d, self.cells.walkable, self.view.q, zone, self._shared_features, is_side
        )
        if features is None:
            return None
        regression = self.prior.zone
        log_m = math.log(self.pose.height_m) - regression.log_u(features)
        return log_m, regression.sigma.at(self.uncertainty)

    def distance(self, found: Obstacle, zone: Mask, regressed: Estimate | None) -> Estimate:
        """How far an obstacle is by all cues, each weighed by its variance.

        Where its cells are, how much of the zone is ground, and the statistics of the zone
        (:meth:`regressed`). Errors of a network's cues are correlated: what is left in all is a
        figure of its own (``NetworkPrior.combined_sigma``).
        """
        sigma = self.sigma_log(found.d, found.w * self.pose.height_m)
        estimates = [(math.log(found.distance_m), sigma)]
        if self.prior is None or self.ground is None:
            return estimates[0]
        free = free_way(self.ground, zone, self.view, self.prior)
        if free is not None:
            free_sigma = self.prior.free_way_sigma.at(self.uncertainty)
            estimates.append((free, CORRELATED**0.5 * free_sigma))
        if regressed is not None:
            estimates.append((regressed[0], CORRELATED**0.5 * regressed[1]))
        combined = self.prior.combined_sigma.at(self.uncertainty)
        besides = sigma**2 - self._network_sigma**2  # scale and camera height
        return _mean(estimates)[0], math.sqrt(combined**2 + besides)


def gather(
    cells: Cells,
    view: View,
    scale: Scale,
    fit: GroundFit | None,
    pose: Pose,
    prior: NetworkPrior | None,
    uncertainty: float,
) -> Evidence:
    """Place the cells; ``uncertainty``: the network's of this place."""
    noise_w = (max(fit.noise, MIN_NOISE_Q) if fit else NO_GROUND_NOISE_Q) / pose.height_m
    u = cells.d * np.float32(scale.alpha)
    u += np.float32(scale.beta)
    ground = None
    if prior is not None:
        ground = ground_probability(u, cells.walkable, view, prior)
        u = obstacle_inverse(u, ground, view, prior, uncertainty)
    u *= np.float32(1.0 / pose.height_m)
    space = to_space(u, cells.valid, view, pose.height_m)
    return Evidence(cells, view, scale, pose, prior, uncertainty, space, noise_w, ground)


def pulled(estimate: Estimate, biased_far: bool) -> Estimate:
    """An estimate, weighed with where obstacles usually are.

    A certain distance hardly moves; an uncertain one comes nearer, which is the safe side.

    Args:
        biased_far: by a small network.
    """
    pull = 0.0
    if biased_far:
        near, far = BIASED_LOGS
        pull = min(max((far - estimate[0]) / (far - near), 0.0), 1.0)
    estimates = [estimate]
    for meters, sigma, share in ((USUAL_M, USUAL_LOG, 1.0 - pull), (BIASED_M, BIASED_LOG, pull)):
        if share > 0:
            estimates.append((math.log(meters), sigma * share**-0.5))
    mean, sigma = _mean(estimates)
    return mean - pull * BIASED_NEARER_LOG, sigma


def _mean(estimates: list[Estimate]) -> Estimate:
    """The mean weighed by variance."""
    mass = sum(sigma**-2 for _, sigma in estimates)
    return sum(value * sigma**-2 for value, sigma in estimates) / mass, mass**-0.5


def profile(evidence: Evidence, zones: ZonesConfig) -> tuple[Column, ...]:
    """The nearest obstacle in each of ``COLUMNS`` strips, left to right.

    Unlike the zones it covers the whole frame, not the way ahead only; the ground, what
    is overhead, and what is beyond the far band count nothing.
    """
    space = evidence.space
    inside = space.valid & (space.height_m < zones.head_height_m)
    inside &= (space.ahead_m > 0.05) & (space.ahead_m < zones.bands.far_m)
    weight = evidence.weights(inside)
    height, width = weight.shape
    strips = min(COLUMNS, width)
    edges = np.linspace(0, width, strips + 1).round()
    strip_at = np.searchsorted(edges[1:], np.arange(width), side="right")
    rows, cols = np.nonzero(weight)
    order = np.lexsort((space.ahead_m[rows, cols], strip_at[cols]))
    rows, cols = rows[order], cols[order]
    ahead_m, strip = space.ahead_m[rows, cols], strip_at[cols]
    count = np.bincount(strip, minlength=strips)
    cells = height * np.bincount(strip_at, minlength=strips)
    found = count >= np.maximum(2.0, MIN_STRIP_SHARE * cells)
    near_m = np.full(strips, np.inf)
    place = (np.cumsum(count) - count + NEAR_FACE_SHARE * (count - 1))[found]
    lower = place.astype(np.intp)
    part = place - lower
    near_m[found] = (1.0 - part) * ahead_m[lower] + part * ahead_m[lower + 1]
    face = found[strip] & (ahead_m <= 1.3 * near_m[strip])
    row_sum = np.bincount(strip[face], rows[face], strips)
    row = row_sum / np.maximum(np.bincount(strip[face], minlength=strips), 1)
    elevation = np.where(found, 1.0 - row / max(1, height - 1), 0.0)
    proximity = np.clip(1.0 - near_m / zones.bands.far_m, 0.0, 1.0)
    each = np.arange(COLUMNS) * strips // COLUMNS  # a narrow grid has fewer strips
    return tuple(map(Column, proximity[each].tolist(), elevation[each].tolist()))
