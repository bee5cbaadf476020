"""From the map's units to meters, and how far the camera has turned.

From the map's units to meters: ``u = alpha * d + beta``, filtered over time.

``u = h / Z`` is inverse depth in camera heights ``h``; the ground has ``u = q`` (geometry.py).

Two numbers, kept as information (inverse covariance), so that "nothing known" is exact and the
result does not depend on the map's own scale and shift. Each frame adds what its ground says::

    alpha * d + beta - dq_pitch * pitch_error - dq_roll * roll_error = q

with the pose errors as unknowns of that frame under the mount's prior, and what its farthest
cells say (inverse depth there is small and not negative), which is what separates pitch from
shift. Old information is forgotten with a time constant, slowly while no ground is seen, towards
the level prior where the network has one.

How far the camera has turned: surfaces that slide through a zone are not coming nearer.

Turned about the vertical, a frame in polar coordinates only slides sideways. So the range of
what is seen, by azimuth, is compared with that of a moment ago, and the slide that explains the
change best is the turn. Ranges enter by the log of their inverse: walking up to something adds a
constant to it, whatever its slant, and a constant is left out.

Where nothing has a shape there is no evidence, and no turn is assumed.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.zones.geometry import Array, Grid, Pose, View
from sonar.zones.ground import GroundFit
from sonar.zones.prior import GroundLine

Matrix = NDArray[np.float64]

# Farthest point in view, 1/m (mean, sigma): between a room's end (0.25) and the sky (0).
FAR = (0.12, 0.10)
MIN_NOISE = 0.012
GROUND_SAMPLES = 8.0  # bins of one frame are not independent: count them as this many
FORGET_S = 0.6
FORGET_HIDDEN_S = 8.0
SUDDEN_S = 0.3
SURPRISE, SURPRISE_SHARE = 0.03, 0.1
RAISED, RAISED_S = 1.25, 5.0  # a plane nearer by this factor is not the ground, for so long


@lru_cache(maxsize=8)
def _prior_information(prior: GroundLine | None) -> tuple[Matrix, Matrix]:
    """(2, 2) information and its vector; zeros where nothing is known."""
    if prior is None:
        return np.zeros((2, 2)), np.zeros(2)
    c = prior.correlation * prior.alpha_sigma * prior.beta_sigma
    info = np.linalg.inv(np.array([[prior.alpha_sigma**2, c], [c, prior.beta_sigma**2]]))
    return info, info @ np.array([prior.alpha, prior.beta])


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """The filter's state and its reading.

    Attributes:
        info, vector: information form over (alpha, beta).
        alpha, beta: estimate, or nan while it is not determined.
        cov: their covariance, ``(2, 2)``.
        pitch_error, roll_error: this frame's pose minus the tables', radians.
        age_s: seconds since ground was last seen.
    """

    info: Matrix
    vector: Matrix
    alpha: float
    beta: float
    cov: Matrix
    pitch_error: float
    roll_error: float
    age_s: float

    @property
    def known(self) -> bool:
        """Whether distances can be computed at all."""
        return bool(np.isfinite(self.alpha) and self.alpha > 0)


def farthest_output(d: Array, valid: NDArray[np.bool_]) -> float | None:
    """The raw output at the farthest points in view: a low quantile, not the minimum."""
    seen = d[::2, ::2][valid[::2, ::2]]
    return float(np.quantile(seen, 0.03)) if seen.size else None


def initial_scale(prior: GroundLine | None) -> Scale:
    """Before the first frame."""
    info, vector = _prior_information(prior)
    return _read(info, vector, 0.0, 0.0, 1e3)


def _read(info: Matrix, vector: Matrix, pitch: float, roll: float, age_s: float) -> Scale:
    (a, c), (_, b) = info.tolist()
    # Conditioning is judged after bringing both unknowns to the same size.
    det = 1.0 - c * c / (a * b) if a > 0 and b > 0 else 0.0
    if det < 1e-9:
        nan = float("nan")
        return Scale(info, vector, nan, nan, np.full((2, 2), np.inf), pitch, roll, age_s)
    cov = np.array([[1.0 / a, -c / (a * b)], [-c / (a * b), 1.0 / b]]) / det
    alpha, beta = cov @ vector
    return Scale(info, vector, float(alpha), float(beta), cov, pitch, roll, age_s)


def update_scale(
    scale: Scale,
    fit: GroundFit | None,
    far_d: float | None,
    pose: Pose,
    pitch_prior: tuple[float, float],
    roll_prior: tuple[float, float],
    prior: GroundLine | None,
    dt_s: float,
    far: tuple[float, float] = FAR,
) -> Scale:
    """One frame.

    Args:
        fit: this frame's ground, or None.
        far_d: the farthest level in view, or None.
        pose: for the camera's height.
        pitch_prior, roll_prior: (mean, sigma) in radians of this frame's pose minus the tables'.
        prior: what is fallen back to while no ground is seen, or None.
        dt_s: seconds since the last frame.
        far: (mean, sigma) in 1/m of the farthest points in view.
    """
    odd = (
        fit is not None
        and prior is None
        and scale.known
        and dt_s < SUDDEN_S
        and _surprise(scale, fit) > SURPRISE
    )
    if fit is not None and odd and scale.alpha * fit.slope > RAISED and scale.age_s < RAISED_S:
        # The ground does not rise to one's chest: a car's bonnet or a table hides it.
        fit = None
    seen = 0.0 if fit is None else fit.confidence
    tau = FORGET_S * seen + FORGET_HIDDEN_S * (1 - seen)
    keep = float(np.exp(-max(dt_s, 0.0) / tau))
    p_info, p_vector = _prior_information(prior)
    if not scale.known and prior is None:
        keep = 0.0
    info = keep * scale.info + (1 - keep) * p_info
    vector = keep * scale.vector + (1 - keep) * p_vector
    if fit is None:
        return _read(info, vector, scale.pitch_error, scale.roll_error, scale.age_s + dt_s)
    frame, rhs = _frame_information(fit, far_d, far, pose, pitch_prior, roll_prior)
    # Marginalise this frame's pose errors (states 2, 3) out of (alpha, beta).
    a, b, c = frame[:2, :2], frame[:2, 2:], frame[2:, 2:]
    gain = b @ np.linalg.inv(c)
    share = 1.0 - float(np.exp(-max(dt_s, 0.0) / FORGET_S)) if scale.known else 1.0
    if scale.age_s > FORGET_HIDDEN_S:
        share = 1.0
    share = max(share, 0.02) * seen if scale.known else 1.0
    if odd:
        share *= SURPRISE_SHARE
    info = info + share * (a - gain @ b.T)
    vector = vector + share * (rhs[:2] - gain @ rhs[2:])
    out = _read(info, vector, 0.0, 0.0, 0.0)
    if not out.known:
        return out
    errors = np.linalg.solve(c, rhs[2:] - b.T @ np.array([out.alpha, out.beta]))
    return Scale(
        info, vector, out.alpha, out.beta, out.cov, float(errors[0]), float(errors[1]), 0.0
    )


def _surprise(scale: Scale, fit: GroundFit) -> float:
    """How far this frame's ground lies from where the scale expects it, in ``q``, after the one
    shift that a swing of pitch explains. Stairs or a table taken for the ground show here."""
    off = scale.alpha * fit.d + scale.beta - fit.q
    off = off - float(fit.weight @ off)
    return float(np.sqrt(fit.weight @ off**2))


def _frame_information(
    fit: GroundFit,
    far_d: float | None,
    far: tuple[float, float],
    pose: Pose,
    pitch_prior: tuple[float, float],
    roll_prior: tuple[float, float],
) -> tuple[Matrix, Matrix]:
    """Information (4, 4) and vector (4,) over alpha, beta, pitch error, roll error."""
    rows = np.stack([fit.d, np.ones_like(fit.q), -fit.dq_pitch, -fit.dq_roll], 1)
    sigma2 = max(fit.noise, MIN_NOISE) ** 2 + (0.03 * fit.q) ** 2
    weight = fit.weight * GROUND_SAMPLES / sigma2
    info = (rows * weight[:, None]).T @ rows
    rhs = (rows * weight[:, None]).T @ fit.q
    for i, (mean, sigma) in ((2, pitch_prior), (3, roll_prior)):
        info[i, i] += 1 / sigma**2
        rhs[i] += mean / sigma**2
    if far_d is not None:
        row = np.array([far_d, 1.0, 0.0, 0.0])
        sigma = far[1] * pose.height_m
        info += np.outer(row, row) / sigma**2
        rhs += row * far[0] * pose.height_m / sigma**2
    return info, rhs


EVERY_S = 0.08  # between the profiles that are compared
LONGEST_S = 0.5  # after a longer gap nothing is compared
BANDS = 3  # profiles at as many heights
LOWEST_Q = 0.3  # 17 degrees below the horizon: further down there is floor, the same all round
LEAST_ROWS = 6
PITCH_STEP_DEG = 5.0
MOST_ROLL_DEG = 45.0  # columns of the frame are no azimuths any more
SEARCH_SHARE = 0.16  # of the frame's width, to either side
FAR_U = 0.1  # camera heights per distance: keeps what is far from being all noise
CAP = 0.3  # of the log: what moves by itself counts no more than this
INDEPENDENT = 6.0  # neighbouring columns err together
SURE_DEG = 0.8
BEYOND = 0.5  # a match at the end of the search must be better than none by this factor


@dataclass(frozen=True, slots=True, eq=False)
class Turning:
    """The bearing so far.

    Attributes:
        deg: sum of all turns seen, positive to the right.
        profile: the last one kept, float32 (bands, columns), or None.
        t: when it was taken, in seconds.
    """

    deg: float = 0.0
    profile: Array | None = None
    t: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Polar:
    """Columns of equal azimuth: between which cells they lie, and the cosine of each."""

    left: NDArray[np.intp]
    part: Array
    cosine: Array
    step_deg: float


@lru_cache(maxsize=16)
def polar_of(grid: Grid, pitch_step: int) -> Polar:
    """For the horizon of a camera that looks down by so many ``PITCH_STEP_DEG``."""
    # The horizon's points lie farther from the lens than the frame's middle does.
    x = grid.x[grid.shape[0] // 2] * np.cos(np.radians(pitch_step * PITCH_STEP_DEG))
    azimuth = np.arctan(x)
    even = np.linspace(azimuth[0], azimuth[-1], azimuth.size)
    place = np.interp(even, azimuth, np.arange(azimuth.size))
    left = np.minimum(place.astype(np.intp), azimuth.size - 2)
    return Polar(
        left,
        (place - left).astype(np.float32),
        np.cos(even).astype(np.float32),
        float(np.degrees(even[1] - even[0])),
    )


def profile_of(d: Array, alpha: float, beta: float, view: View, polar: Polar) -> Array:
    """Log inverse range by azimuth, at a few heights: float32 (bands, columns).

    Args:
        d: float32 cells (rows, columns), larger is nearer.
        alpha, beta: ``u = alpha * d + beta``, see scale.py.
        view: tables of the same shape.
        polar: of the same columns.
    """
    rows = int(np.count_nonzero(view.q[:, view.q.shape[1] // 2] < LOWEST_Q))
    if rows < LEAST_ROWS:
        rows = d.shape[0]
    starts = [rows * band // BANDS for band in range(BANDS)]
    u = np.add.reduceat(d[:rows], starts, axis=0)
    u *= np.float32(alpha) / np.diff([*starts, rows])[:, None].astype(np.float32)
    u += np.float32(beta)
    u = u[:, polar.left] * (1 - polar.part) + u[:, polar.left + 1] * polar.part
    u *= polar.cosine
    out: Array = np.log(np.maximum(u, np.float32(0.0)) + np.float32(FAR_U))
    return out


@lru_cache(maxsize=8)
def _windows(bands: int, columns: int) -> tuple[NDArray[np.intp], int, Array]:
    """Places of every window in a flat profile (slides * bands, width), how far it slides, and
    the weights of a mean over its width."""
    most = max(int(columns * SEARCH_SHARE), 1)
    width = columns - 2 * most
    start = np.arange(2 * most + 1)[:, None] + np.arange(bands) * columns
    return (
        start.reshape(-1, 1) + np.arange(width),
        most,
        np.full(width, 1.0 / width, np.float32),
    )


def slide(before: Array, now: Array) -> tuple[float, float, bool]:
    """By how many columns the profile has moved to the left, its sigma, and whether it may have
    been more, for the search ended there."""
    places, most, mean = _windows(*now.shape)
    seen = now[:, most : now.shape[1] - most]
    seen = seen - (seen @ mean)[:, None]  # products: numpy's own sums take four times as long
    off = before.ravel().take(places)
    off -= (off @ mean)[:, None]
    off = off.reshape(2 * most + 1, -1)
    off -= seen.reshape(1, -1)
    np.multiply(off, off, out=off)
    np.minimum(off, np.float32(CAP * CAP), out=off)
    cost = off @ np.ones(off.shape[1], np.float32)
    best = int(cost.argmin())
    if best in (0, 2 * most):
        return float(best - most), 0.0, bool(cost[best] < BEYOND * cost[most])
    low, middle, high = cost[best - 1 : best + 2].tolist()
    bend = max(low + high - 2 * middle, 1e-12)
    sigma = float(np.sqrt(2.0 * middle * INDEPENDENT / seen.size / bend))
    return best - most + 0.5 * (low - high) / bend, sigma, False


def follow_turn(
    turning: Turning, d: Array, alpha: float, beta: float, view: View, grid: Grid, t: float
) -> Turning:
    """One frame; arguments as for :func:`profile_of`, and the cells' grid."""
    since = t - turning.t
    before = turning.profile
    if before is not None and 0 <= since < EVERY_S - 1e-6:
        return turning
    if min(d.shape) < LEAST_ROWS or abs(view.roll_deg) > MOST_ROLL_DEG:
        return Turning(turning.deg, None, t)
    polar = polar_of(grid, round(view.pitch_deg / PITCH_STEP_DEG))
    now = profile_of(d, alpha, beta, view, polar)
    if before is None or before.shape != now.shape or not 0 < since <= LONGEST_S:
        return Turning(turning.deg, now, t)
    columns, sigma, beyond = slide(before, now)
    if not beyond and (sigma == 0.0 or sigma * polar.step_deg > SURE_DEG):
        columns = 0.0
    return Turning(turning.deg + columns * polar.step_deg, now, t)
