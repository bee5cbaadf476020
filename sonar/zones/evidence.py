"""One frame's evidence: cells of the map, placed in meters, and what they weigh as obstacles.

Also the profile: the nearest obstacle in each vertical strip of the frame, to explore by ear.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sonar.config import MountConfig, ZonesConfig
from sonar.types import Column, DepthKind, DepthMap
from sonar.zones import network
from sonar.zones.geometry import Array, Cells, Mask, Pose, View, optics_for
from sonar.zones.ground import GroundFit
from sonar.zones.network import NetworkPrior
from sonar.zones.scale import UNKNOWN_HEIGHT_LOG, Scale

MIN_AREA = 0.003  # share of the cells that an obstacle must cover in a zone
MIN_AREA_WEIGHED = 0.002  # the same where cells are weighed by the probability of an obstacle
MIN_PROBABILITY = 0.4  # cells less likely to be an obstacle than this count nothing
LOWEST_M = -0.1  # what is lower is no obstacle
MAX_OUTPUT = 1e12  # an output beyond is a broken cell
MIN_METERS = 0.05  # a metric output nearer than this too
LOG_SIGMAS = -4.0, 1.5  # the range of a network's log standard deviation
MIN_INVERSE_M = 0.02  # nothing is placed beyond 50 m
MIN_NOISE_Q = 0.008
NO_GROUND_NOISE_Q = 0.06
NETWORK_NOISE = 0.05  # share of a distance by which a map is wrong besides its scale
CORRELATED = 2.0  # two cues look at what is walkable: correlated errors, they count as one
USUAL_M, USUAL_LOG = 1.5, 0.8  # obstacles in the way are there, within this
# The same for a small network: it overestimates the distance of what it misses, which does more
# harm than the opposite. Distances are also shortened a little, but not far ones, or a free way
# would sound.
BIASED_M, BIASED_LOG, BIASED_NEARER_LOG = 1.0, 0.5, 0.05
BIASED_LOGS = math.log(2.0), math.log(4.0)  # all of that within 2 m, none beyond 4 m
NEAREST_M, FARTHEST_M = 0.15, 12.0
RANGE_BINS = 64
_LOG_NEAREST = float(np.log(NEAREST_M))
_BINS_PER_LOG = RANGE_BINS / (float(np.log(FARTHEST_M)) - _LOG_NEAREST)
FREE_HALF_M, FREE_CELLS, FREE_SHARE = 0.5, 12, 0.6  # ground that must be seen for a clear way
RAISED_M = 0.2  # what rises higher is no ground, where no network says what is
COLUMNS = 24
MIN_SEEN_SHARE = 0.7  # of a strip's cells below the horizon, without which nothing is known free
NEAR_FACE_SHARE = 0.1  # of a strip's obstacle cells: the distance of its near face
MIN_STRIP_SHARE = 0.05  # of a strip's height that an obstacle must cover

Estimate = tuple[float, float]  # the log of a distance in meters, and its standard deviation


def to_cells(
    depth: DepthMap, frame_hw: tuple[int, int], mount: MountConfig, prior: NetworkPrior | None
) -> Cells | None:
    """Reduce a map; None where most of it is missing."""
    # A network with a prior blurs.
    blurred = prior is not None or depth.log_sigma is not None
    optics = optics_for(mount, frame_hw, depth.values.shape, blurred)
    sigma = None
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        d = optics.fine.reduce(depth.values)
        valid = np.abs(d) < MAX_OUTPUT  # false for NaN too
        if depth.kind is DepthKind.PER_CAMERA_HEIGHT:
            d = d * np.float32(optics.lens)
        if depth.kind is DepthKind.METRIC:
            valid &= d > MIN_METERS
            d = np.float32(1.0) / d
        if depth.log_sigma is not None:
            log_sigma = np.nan_to_num(optics.fine.reduce(depth.log_sigma), nan=LOG_SIGMAS[1])
            sigma = np.exp(np.clip(log_sigma, *LOG_SIGMAS))
        walkable, drop = (
            None if probability is None else _probability(optics.fine.reduce(probability))
            for probability in (depth.walkable, depth.drop)
        )
    seen = int(np.count_nonzero(valid))
    if seen < 0.4 * valid.size:
        return None
    if seen < valid.size:
        d = np.where(valid, d, np.float32(0))
    return Cells(d, valid, walkable, optics, drop, sigma)


def _probability(cells: Array) -> Array:
    """Between 0 and 1; what is missing is 0."""
    cells = np.where(np.abs(cells) < np.inf, cells, np.float32(0))
    return np.minimum(np.maximum(cells, np.float32(0)), np.float32(1))


@dataclass(frozen=True, eq=False)
class Evidence:
    """What one frame says under the present scale; arrays are float32 of the fine grid's shape.

    Attributes:
        prior: traits of the network that made the map, or None.
        uncertainty: of such a network (:func:`sonar.zones.network.out_of_distribution`).
        noise_w: standard deviation of inverse depth around the ground, 1/m.
        ground: probability per cell that no obstacle is there but ground, also lower ground; None
            where no network gives it.
        w: inverse depth in 1/m, at least ``MIN_INVERSE_M``.
        ahead_m, side_m, height_m: distance in walking direction, offset to the right, and height
            above the ground.
    """

    cells: Cells
    view: View
    scale: Scale
    pose: Pose
    prior: NetworkPrior | None
    uncertainty: float
    noise_w: float
    ground: Array | None
    w: Array
    ahead_m: Array
    side_m: Array
    height_m: Array

    @property
    def needed(self) -> float:
        """The weight of cells that makes an obstacle."""
        if self.ground is None:
            return max(6.0, MIN_AREA * self.w.size)
        return MIN_AREA_WEIGHED * self.w.size

    @cached_property
    def range_bins(self) -> NDArray[np.intp]:
        """Bin of every cell by the log of its distance ahead, 0 to ``RANGE_BINS - 1``, flat."""
        ahead = np.maximum(self.ahead_m.ravel(), np.float32(NEAREST_M))
        np.minimum(ahead, np.float32(FARTHEST_M * 0.999), out=ahead)
        place = np.log(ahead, out=ahead)
        place -= np.float32(_LOG_NEAREST)
        place *= np.float32(_BINS_PER_LOG)
        return place.astype(np.intp)

    def weights(self, where: Mask, zones: ZonesConfig) -> Array:
        """How much each cell counts as an obstacle, 0 to 1; nothing but ``where``, in front of
        the camera and not overhead."""
        inside = where & (self.height_m < zones.head_height_m)
        inside &= self.ahead_m > 0.05
        inside &= self.cells.valid
        if self.ground is not None:
            most = 1.0 - MIN_PROBABILITY
            weight: Array = (np.float32(most) - self.ground) * np.float32(1.0 / most)
            weight = np.maximum(weight, 0.0)
            weight[~inside] = 0.0
            return weight
        # Above the ground by more than its noise. Noise in w is noise in height:
        # dh = (camera - height) / w * dw.
        drop_m = np.maximum(self.pose.height_m - self.height_m, 0.3)
        least_m: Array = 0.10 + 2.5 * self.noise_w * drop_m / self.w
        if self.cells.walkable is not None:
            least_m += 0.5 * np.clip((self.cells.walkable - 0.3) * 2.0, 0.0, 1.0)
        return (inside & (self.height_m > least_m)).astype(np.float32)

    @property
    def network_sigma(self) -> float:
        """Of the log of a distance, where the network gives none of its own."""
        prior = self.prior
        return NETWORK_NOISE if prior is None else prior.sigma("obstacle", self.uncertainty)

    def sigma_log(self, d: float, u: float, network: float | None = None) -> float:
        """Standard deviation of the log of a distance: scale, network, unknown camera height.

        ``d`` is the raw output there, ``u`` the inverse distance in camera heights, ``network``
        the network's own deviation.
        """
        row = np.array([d, 1.0])
        variance = float(row @ self.scale.cov @ row) / max(u, 0.02) ** 2
        variance += (self.network_sigma if network is None else network) ** 2
        if not self.pose.height_known:
            variance += UNKNOWN_HEIGHT_LOG**2
        return math.sqrt(variance)

    def ground_is_free(self, zone: Mask, within_m: float) -> bool:
        """Whether the zone shows most of the ground ahead that is nearer than ``within_m``; true
        where the frame shows hardly any of it."""
        looked = (
            zone
            & self._ground_ahead
            & (self.view.ahead * self.pose.height_m < within_m * self.view.q)
        )
        count = int(np.count_nonzero(looked))
        if count < FREE_CELLS:
            return True
        seen = self.height_m < RAISED_M if self.ground is None else self.ground > 0.5
        return int(np.count_nonzero(looked & seen)) >= FREE_SHARE * count

    @cached_property
    def _ground_ahead(self) -> Mask:
        """Cells that would show the ground in the way of a body, were nothing before it."""
        reach = np.float32(FREE_HALF_M / self.pose.height_m) * self.view.q
        return (self.view.q > 0) & (np.abs(self.view.side) < reach)

    def free_sigma(self, at_m: float) -> float:
        """:meth:`sigma_log` of an obstacle that would be at ``at_m`` meters."""
        u = self.pose.height_m / at_m
        return self.sigma_log((u - self.scale.beta) / self.scale.alpha, u)

    @cached_property
    def _shared_features(self) -> list[float]:
        return network.frame_features(self.cells, self.view, self.uncertainty)

    def regressed(self, zone: Mask, is_side: bool) -> Estimate | None:
        """The distance of the nearest obstacle by the statistics of a zone, or None."""
        if self.prior is None or self.cells.walkable is None:
            return None
        features = network.zone_features(
            self.cells, self.view, zone, self._shared_features, is_side
        )
        if features is None:
            return None
        log_m = math.log(self.pose.height_m) - self.prior.zone_log_u(features)
        return log_m, self.prior.sigma("zone", self.uncertainty)

    def combined(self, cells: Estimate, zone: Mask, regressed: Estimate | None) -> Estimate:
        """How far an obstacle is by all cues, each weighed by its variance: where its cells are,
        how much of the zone is ground, and the zone's statistics; and by where obstacles usually
        are. Errors of a network's cues are correlated: what is left in all has its own sigma.
        """
        if self.prior is None or self.ground is None:
            return pulled(cells, biased_far=False)
        estimates = [cells]
        free = network.free_way(self.ground, zone, self.view, self.prior)
        if free is not None:
            free_sigma = self.prior.sigma("free_way", self.uncertainty)
            estimates.append((free, CORRELATED**0.5 * free_sigma))
        if regressed is not None:
            estimates.append((regressed[0], CORRELATED**0.5 * regressed[1]))
        besides = cells[1] ** 2 - self.network_sigma**2  # scale and camera height
        sigma = math.sqrt(self.prior.sigma("combined", self.uncertainty) ** 2 + besides)
        return pulled((_mean(estimates)[0], sigma), biased_far=True)


def gather(
    cells: Cells,
    view: View,
    scale: Scale,
    fit: GroundFit | None,
    pose: Pose,
    prior: NetworkPrior | None,
    uncertainty: float,
) -> Evidence:
    """Place every cell along its ray."""
    noise_w = (max(fit.noise, MIN_NOISE_Q) if fit else NO_GROUND_NOISE_Q) / pose.height_m
    w = cells.d * np.float32(scale.alpha)
    w += np.float32(scale.beta)
    ground = None
    if prior is not None:
        ground = network.ground_probability(w, cells.walkable, view, prior)
        w = network.obstacle_inverse(w, ground, view, prior, uncertainty)
    w *= np.float32(1.0 / pose.height_m)
    np.maximum(w, np.float32(MIN_INVERSE_M), out=w)
    z = np.float32(1.0) / w
    place = view.ahead * z, view.side * z, np.float32(pose.height_m) - view.q * z
    if cells.sigma is not None and cells.walkable is not None:
        ground = cells.walkable + cells.drop if cells.drop is not None else cells.walkable.copy()
        ground[place[2] < LOWEST_M] = 1.0
    return Evidence(cells, view, scale, pose, prior, uncertainty, noise_w, ground, w, *place)


def pulled(estimate: Estimate, biased_far: bool) -> Estimate:
    """An estimate weighed with where obstacles usually are; ``biased_far``: of a small network.

    A certain distance hardly moves; an uncertain one comes nearer, which is the safe side.
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


def profile(evidence: Evidence, zones: ZonesConfig, drop_m: float | None) -> tuple[Column, ...]:
    """The nearest obstacle in each of ``COLUMNS`` strips of the whole frame, left to right, and how
    far the way is free there; what is beyond the far band counts nothing.

    ``drop_m``: meters to a possible drop ahead, which ends the free way too.
    """
    far_m = zones.bands.far_m
    weight = evidence.weights(evidence.ahead_m < far_m, zones)
    height, width = weight.shape
    strips = min(COLUMNS, width)
    edges = np.linspace(0, width, strips + 1).round()
    strip_at = np.searchsorted(edges[1:], np.arange(width), side="right")
    rows, cols = np.nonzero(weight)
    order = np.lexsort((evidence.ahead_m[rows, cols], strip_at[cols]))
    rows, cols = rows[order], cols[order]
    ahead_m, strip = evidence.ahead_m[rows, cols], strip_at[cols]
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
    proximity = np.clip(1.0 - near_m / far_m, 0.0, 1.0)
    free = _free_way(evidence, strip_at, np.minimum(near_m, far_m), found, drop_m)
    columns = [*zip(proximity.tolist(), elevation.tolist(), *free, strict=True)]
    # A narrow grid has fewer strips.
    return tuple(Column(*columns[k * strips // COLUMNS]) for k in range(COLUMNS))


def _free_way(
    evidence: Evidence,
    strip_at: NDArray[np.intp],
    ahead_m: NDArray[np.float64],
    found: Mask,
    drop_m: float | None,
) -> tuple[list[float], list[float | None], list[float | None]]:
    """Bearing, free meters and their sigma of each strip; ``ahead_m`` to its obstacle, if
    ``found``, or to the far band's edge."""
    count, view = np.bincount(strip_at), evidence.view
    horizon = int(np.argmin(np.abs(view.q[:, view.q.shape[1] // 2])))
    bearing = np.bincount(strip_at, np.arctan2(view.side[horizon], view.ahead[horizon])) / count
    sigmas = np.full(strip_at.size, evidence.network_sigma)
    if evidence.cells.sigma is not None:
        sigmas = evidence.cells.sigma.mean(axis=0)
    network = np.bincount(strip_at, sigmas) / count
    low = view.q > 0  # below the horizon
    looked = np.bincount(strip_at, np.count_nonzero(low, axis=0))
    seen = np.bincount(strip_at, np.count_nonzero(low & evidence.cells.valid, axis=0))
    known = (found | (looked > 0) & (seen >= MIN_SEEN_SHARE * looked)).tolist()
    if drop_m is not None:
        in_way = np.abs(np.tan(bearing)) * drop_m < FREE_HALF_M
        ahead_m = np.where(in_way, np.minimum(ahead_m, drop_m), ahead_m)
    free_m = ahead_m / np.cos(bearing)
    besides = evidence.free_sigma(float(np.median(ahead_m))) ** 2 - evidence.network_sigma**2
    sigma_m = free_m * np.sqrt(network**2 + max(besides, 0.0))
    free, sigma = (
        [m if k else None for m, k in zip(values.tolist(), known, strict=True)]
        for values in (free_m, sigma_m)
    )
    return np.degrees(bearing).tolist(), free, sigma
