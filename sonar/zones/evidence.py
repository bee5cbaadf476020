"""One frame's evidence: cells of the map, placed in meters, each with its weight as an obstacle.

Also the profile: the nearest obstacle in each vertical strip of the frame, to explore by ear.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.types import Column, DepthKind, DepthMap
from sonar.zones.camera import Scale
from sonar.zones.geometry import (
    COARSE_CELLS,
    FINE_CELLS,
    Array,
    Mask,
    MetricCells,
    Pose,
    View,
    in_corridor,
    optics_for,
    to_space,
)
from sonar.zones.ground import GroundFit
from sonar.zones.obstacles import Obstacle, obstacle_weight, rise
from sonar.zones.prior import NetworkPrior, Settings, ground_probability, obstacle_inverse, reach

MIN_AREA = 0.003  # share of the cells that an obstacle must cover in a zone
STAND_AREA = 0.002  # the same where cells are weighed by the probability that they stand
MIN_PROBABILITY = 0.4  # cells less likely to stand than this count nothing
MAX_LEVEL = 1e12  # a level beyond is a broken cell
MIN_NOISE_Q = 0.008
NO_GROUND_NOISE_Q = 0.06
NETWORK_NOISE = 0.05  # share of a distance by which a map is wrong besides its scale
USUAL_M, USUAL_LOG = 1.5, 0.8  # obstacles in the way are there, within this
# The same for a small network: it overestimates the distance of what it misses, which does more
# harm than the opposite. Distances are also shortened a little, but not far ones, or a free way
# would sound.
BIASED_M, BIASED_LOG, BIASED_NEARER_LOG = 1.0, 0.5, 0.05
BIASED_LOGS = math.log(2.0), math.log(4.0)  # all of that within 2 m, none beyond 4 m
SHARED = 2.0  # two cues look at what is walkable: their errors hang together, they count as one
UNKNOWN_HEIGHT_LOG = 0.15  # people wear cameras at 1.1 to 1.7 m


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """One map, reduced: float32 arrays of the fine grid; ``d`` is larger for nearer."""

    d: Array
    valid: Mask
    walkable: Array | None


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What one frame says under the present scale.

    Attributes:
        space: every cell in meters.
        weight: 0 to 1 per cell: an obstacle in the corridor.
        needed: weight that makes an obstacle.
        noise_w: standard deviation of inverse depth around the ground, 1/m.
        ground: probability per cell, or None where the network's traits are not known.
        uncertainty: of such a network (:func:`sonar.zones.prior.out_of_distribution`).
    """

    space: MetricCells
    weight: Array
    needed: float
    noise_w: float
    ground: Array | None = None
    uncertainty: float = 0.0


def cells_of(depth: DepthMap, settings: Settings) -> int:
    """Cells along the longer side; a network whose traits are known
    blurs, and needs fewer."""
    known = settings.prior is not None and depth.kind is not DepthKind.METRIC
    return COARSE_CELLS if known else FINE_CELLS


def to_cells(depth: DepthMap, frame_hw: tuple[int, int], settings: Settings) -> Cells | None:
    """Reduce a map; None where most of it is missing."""
    shape = depth.values.shape
    grid = optics_for(settings.mount, frame_hw, shape, cells_of(depth, settings)).fine
    walkable = None
    with np.errstate(invalid="ignore", over="ignore"):
        d = grid.reduce(depth.values)
        if depth.kind is DepthKind.METRIC:
            d = np.where(d > 0.05, 1.0 / np.maximum(d, np.float32(0.05)), np.float32(np.nan))
        valid = np.abs(d) < MAX_LEVEL  # false for NaN too
        if depth.walkable is not None:
            walkable = grid.reduce(depth.walkable)
    seen = int(np.count_nonzero(valid))
    if seen < 0.4 * valid.size:
        return None
    if seen < valid.size:
        d = np.where(valid, d, np.float32(0))
    if walkable is not None:
        walkable = np.where(np.abs(walkable) < np.inf, walkable, np.float32(0))
        walkable = np.minimum(np.maximum(walkable, np.float32(0)), np.float32(1))
    return Cells(d, valid, walkable)


def gather(
    cells: Cells,
    view: View,
    scale: Scale,
    fit: GroundFit | None,
    pose: Pose,
    settings: Settings,
    prior: NetworkPrior | None,
    uncertainty: float,
) -> Evidence:
    """Place the cells and weigh them; ``uncertainty``: the network's uncertainty of this place."""
    noise_q = max(fit.noise, MIN_NOISE_Q) if fit else NO_GROUND_NOISE_Q
    noise_w = noise_q / pose.height_m
    u = cells.d * np.float32(scale.alpha)
    u += np.float32(scale.beta)
    if prior is None:
        u *= np.float32(1.0 / pose.height_m)
        space = to_space(u, cells.valid, view, pose.height_m)
        inside = in_corridor(space, settings.zones)
        weight = rise(space, inside, cells.walkable, noise_w, pose.height_m)
        return Evidence(space, weight, max(6.0, MIN_AREA * u.size), noise_w)
    floor = ground_probability(u, cells.walkable, view, prior)
    w = obstacle_inverse(u, floor, view, prior, uncertainty)
    w *= np.float32(1.0 / pose.height_m)
    space = to_space(w, cells.valid, view, pose.height_m)
    weight = obstacle_weight(floor, in_corridor(space, settings.zones), MIN_PROBABILITY)
    return Evidence(space, weight, STAND_AREA * u.size, noise_w, floor, uncertainty)


def sigma_log(
    scale: Scale, pose: Pose, prior: NetworkPrior | None, uncertainty: float, d: float, u: float
) -> float:
    """Standard deviation of the log of a distance: scale, network, unknown camera height.

    Args:
        uncertainty: the network's uncertainty.
        d, u: level and inverse distance in camera heights.
    """
    row = np.array([d, 1.0])
    variance = float(row @ scale.cov @ row) / max(u, 0.02) ** 2
    variance += (NETWORK_NOISE if prior is None else prior.obstacle_sigma.at(uncertainty)) ** 2
    if not pose.height_known:
        variance += UNKNOWN_HEIGHT_LOG**2
    return math.sqrt(variance)


def sigma_of(
    found: Obstacle, scale: Scale, pose: Pose, prior: NetworkPrior | None, uncertainty: float
) -> float:
    """:func:`sigma_log` of an obstacle."""
    return sigma_log(scale, pose, prior, uncertainty, found.d, found.w * pose.height_m)


def combine(
    found: Obstacle,
    scale: Scale,
    pose: Pose,
    evidence: Evidence,
    zone: Mask,
    view: View,
    prior: NetworkPrior | None,
    whole: tuple[float, float] | None,
) -> tuple[float, float]:
    """(log distance, its sigma) of an obstacle by all that is seen, each weighed by its variance.

    Where its cells are, how much of the zone is floor, and what the zone as a whole looks like
    (``whole``, the same pair, or None). A network's cues are wrong together: what that leaves
    is known as a whole (``NetworkPrior.together``).
    """
    sigma = sigma_of(found, scale, pose, prior, evidence.uncertainty)
    said = [(math.log(found.distance_m), sigma)]
    if prior is None:
        return said[0]
    far = None if evidence.ground is None else reach(evidence.ground, zone, view, prior)
    if far is not None:
        said.append((far, SHARED**0.5 * prior.reach_sigma.at(evidence.uncertainty)))
    if whole is not None:
        said.append((whole[0], SHARED**0.5 * whole[1]))
    besides = (
        sigma**2 - prior.obstacle_sigma.at(evidence.uncertainty) ** 2
    )  # scale and camera height
    return _mean(said)[0], math.sqrt(prior.together.at(evidence.uncertainty) ** 2 + besides)


def weigh(seen: tuple[float, float], biased_far: bool) -> tuple[float, float]:
    """(log distance, its sigma) of what is ``seen`` as such a pair, and of where obstacles are.

    A sure distance hardly moves; an unsure one comes nearer, which is the safe side.

    Args:
        biased_far: seen by a small network.
    """
    pull = 0.0
    if biased_far:
        near, far = BIASED_LOGS
        pull = min(max((far - seen[0]) / (far - near), 0.0), 1.0)
    said = [seen]
    for meters, sigma, share in ((USUAL_M, USUAL_LOG, 1.0 - pull), (BIASED_M, BIASED_LOG, pull)):
        if share > 0:
            said.append((math.log(meters), sigma * share**-0.5))
    mean, sigma = _mean(said)
    return mean - pull * BIASED_NEARER_LOG, sigma


def _mean(said: list[tuple[float, float]]) -> tuple[float, float]:
    """(mean, sigma) of values weighed by their variance."""
    mass = sum(sigma**-2 for _, sigma in said)
    return sum(value * sigma**-2 for value, sigma in said) / mass, mass**-0.5


def free_sigma(
    scale: Scale, pose: Pose, prior: NetworkPrior | None, uncertainty: float, at_m: float
) -> float:
    """:func:`sigma_log` of something that would stand at ``at_m`` meters."""
    u = pose.height_m / at_m
    return sigma_log(scale, pose, prior, uncertainty, (u - scale.beta) / scale.alpha, u)


COLUMNS = 24
_NEAR_SHARE = 0.1  # of a strip's obstacle cells: the distance of its near face
_LEAST_SHARE = 0.05  # of a strip's height that something must cover


def profile(
    evidence: Evidence, cells: Cells, pose: Pose, zones: ZonesConfig, columns: int = COLUMNS
) -> tuple[Column, ...]:
    """The nearest obstacle in each of ``columns`` strips, left to right.

    Unlike the zones it looks at the whole frame, not at the way ahead only; the ground, what
    is overhead, and what is beyond the far band count nothing.
    """
    space = evidence.space
    inside = space.valid & (space.height_m < zones.head_height_m)
    inside &= (space.ahead_m > 0.05) & (space.ahead_m < zones.bands.far_m)
    if evidence.ground is None:
        weight = rise(space, inside, cells.walkable, evidence.noise_w, pose.height_m)
    else:
        weight = obstacle_weight(evidence.ground, inside, MIN_PROBABILITY)
    rows, cols = np.nonzero(weight)
    strips = min(columns, weight.shape[1])
    strip = _strips(weight.shape[1], strips)[cols]
    near_m, elevation = _near_faces(space.ahead_m[rows, cols], rows, strip, weight.shape, strips)
    proximity = np.clip(1.0 - near_m / zones.bands.far_m, 0.0, 1.0)
    each = np.arange(columns) * strips // columns  # a narrow grid has fewer strips
    return tuple(map(Column, proximity[each].tolist(), elevation[each].tolist()))


def _strips(width: int, columns: int) -> NDArray[np.intp]:
    """Which of ``columns`` strips each of ``width`` columns of cells belongs to."""
    edges = np.linspace(0, width, columns + 1).round()
    return np.searchsorted(edges[1:], np.arange(width), side="right")


def _near_faces(
    ahead_m: NDArray[np.float32],
    rows: NDArray[np.intp],
    strip: NDArray[np.intp],
    shape: tuple[int, ...],
    columns: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance (m) and elevation (0 to 1) of each strip's near face; infinity and 0 without one.

    Args:
        ahead_m, rows, strip: of the cells that stand.
        shape: rows and columns of the grid.
    """
    order = np.lexsort((ahead_m, strip))
    ahead_m, rows, strip = ahead_m[order], rows[order], strip[order]
    count = np.bincount(strip, minlength=columns)
    cells = shape[0] * np.bincount(_strips(shape[1], columns), minlength=columns)
    found = count >= np.maximum(2.0, _LEAST_SHARE * cells)
    near_m = np.full(columns, np.inf)
    place = (np.cumsum(count) - count + _NEAR_SHARE * (count - 1))[found]
    lower = place.astype(np.intp)
    part = place - lower
    near_m[found] = (1.0 - part) * ahead_m[lower] + part * ahead_m[lower + 1]
    face = found[strip] & (ahead_m <= 1.3 * near_m[strip])
    sums = np.bincount(strip[face], rows[face], columns)
    row = sums / np.maximum(np.bincount(strip[face], minlength=columns), 1)
    return near_m, np.where(found, 1.0 - row / max(1, shape[0] - 1), 0.0)
