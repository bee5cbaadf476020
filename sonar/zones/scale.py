"""From the map's units to meters: ``u = alpha * d + beta``, filtered over time.

``u = h / Z`` is inverse depth in camera heights ``h``; the ground has ``u = q`` (geometry.py).

The two numbers are kept as information (inverse covariance), so that "nothing known" is exact and
the result does not depend on the map's own scale and shift. Each frame adds what its ground says::

    alpha * d + beta - dq_pitch * pitch_error - dq_roll * roll_error = q

with the pose errors as unknowns of that frame under the mount's prior, and what its farthest
cells say (inverse depth there is small and not negative), which is what separates pitch from
shift. Old information is forgotten with a time constant, slowly while no ground is seen, towards
the prior line of the ground where the network has one.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sonar.types import DepthKind
from sonar.zones.geometry import Cells, Pose, View
from sonar.zones.ground import GroundFit

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
METRIC_SIGMA = 0.02  # meters need no alignment, only a little margin
UNKNOWN_HEIGHT_LOG = 0.15  # people wear cameras at 1.1 to 1.7 m
HEIGHT_SIGMA, HEIGHT_SHIFT_SIGMA = 0.08, 0.02  # of a network that gives camera height / Z


@dataclass(frozen=True, slots=True)
class GroundLine:
    """The ground's line before any evidence; sigmas are those between single frames."""

    alpha: float
    beta: float
    alpha_sigma: float
    beta_sigma: float
    correlation: float = 0.0


def calibrated_line(kind: DepthKind, pose: Pose) -> GroundLine | None:
    """The line of a map whose values have a scale: meters (``1/Z``), or camera heights. None for
    relative values."""
    if kind is DepthKind.METRIC:
        sigma = METRIC_SIGMA if pose.height_known else UNKNOWN_HEIGHT_LOG
        return GroundLine(pose.height_m, 0.0, sigma * pose.height_m, 0.005)
    if kind is DepthKind.PER_CAMERA_HEIGHT:
        return GroundLine(1.0, 0.0, HEIGHT_SIGMA, HEIGHT_SHIFT_SIGMA)
    return None


@lru_cache(maxsize=8)
def _prior_information(line: GroundLine | None) -> tuple[Matrix, Matrix]:
    """(2, 2) information and its vector; zeros where nothing is known."""
    if line is None:
        return np.zeros((2, 2)), np.zeros(2)
    c = line.correlation * line.alpha_sigma * line.beta_sigma
    info = np.linalg.inv(np.array([[line.alpha_sigma**2, c], [c, line.beta_sigma**2]]))
    return info, info @ np.array([line.alpha, line.beta])


def _read(
    info: Matrix, vector: Matrix, pitch: float = 0.0, roll: float = 0.0, age_s: float = 0.0
) -> "Scale":
    (a, c), (_, b) = info.tolist()
    # Conditioning is judged after bringing both unknowns to the same size.
    det = 1.0 - c * c / (a * b) if a > 0 and b > 0 else 0.0
    if det < 1e-9:
        return Scale(info, vector, np.nan, np.nan, np.full((2, 2), np.inf), pitch, roll, age_s)
    cov = np.array([[1.0 / a, -c / (a * b)], [-c / (a * b), 1.0 / b]]) / det
    alpha, beta = (cov @ vector).tolist()
    return Scale(info, vector, alpha, beta, cov, pitch, roll, age_s)


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """The filter's state (``info``, ``vector``) and its reading.

    Attributes:
        alpha, beta: estimate with covariance ``cov``, or nan while it is not determined.
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

    @staticmethod
    def initial(line: GroundLine | None) -> "Scale":
        """Before the first frame."""
        return _read(*_prior_information(line), age_s=1e3)

    @property
    def known(self) -> bool:
        """Whether distances can be computed at all."""
        return bool(np.isfinite(self.alpha) and self.alpha > 0)

    def aged(self, line: GroundLine | None, dt_s: float) -> "Scale":
        """After ``dt_s`` seconds without ground."""
        info, vector = self._forgotten(line, dt_s, 0.0)
        return _read(info, vector, self.pitch_error, self.roll_error, self.age_s + dt_s)

    def _forgotten(
        self, line: GroundLine | None, dt_s: float, seen: float
    ) -> tuple[Matrix, Matrix]:
        """What is left of the information, with the ground seen at a confidence of 0 to 1."""
        keep = float(np.exp(-dt_s / (FORGET_S * seen + FORGET_HIDDEN_S * (1 - seen))))
        if not self.known and line is None:
            keep = 0.0
        info, vector = _prior_information(line)
        return keep * self.info + (1 - keep) * info, keep * self.vector + (1 - keep) * vector

    def updated(
        self,
        fit: GroundFit | None,
        pose: Pose,
        view: View,
        line: GroundLine | None,
        dt_s: float,
        far_d: float | None,
        far: tuple[float, float] = FAR,
    ) -> "Scale":
        """After one more frame.

        Args:
            fit: this frame's ground, found with the tables of ``view``, or None.
            pose: what is known of the camera's pose in this frame.
            line: what is fallen back to while no ground is seen, or None.
            far_d: the farthest raw output in view, or None; ``far`` (mean, sigma) in 1/m of it.
        """
        if fit is None:
            return self.aged(line, dt_s)
        sudden = line is None and self.known and dt_s < SUDDEN_S
        odd = sudden and self._surprise(fit) > SURPRISE
        if odd and self.alpha * fit.slope > RAISED and self.age_s < RAISED_S:
            # The ground does not rise to one's chest: a car's bonnet or a table hides it.
            return self.aged(line, dt_s)
        frame, rhs = _frame_information(fit, pose, view, far_d, far)
        # Marginalize this frame's pose errors (states 2, 3) out of (alpha, beta).
        a, b, c = frame[:2, :2], frame[:2, 2:], frame[2:, 2:]
        gain = b @ np.linalg.inv(c)
        share = 1.0
        if self.known:
            if self.age_s <= FORGET_HIDDEN_S:
                share = max(1.0 - float(np.exp(-dt_s / FORGET_S)), 0.02)
            share *= fit.confidence
        if odd:
            share *= SURPRISE_SHARE
        info, vector = self._forgotten(line, dt_s, fit.confidence)
        out = _read(info + share * (a - gain @ b.T), vector + share * (rhs[:2] - gain @ rhs[2:]))
        if not out.known:
            return out
        errors = np.linalg.solve(c, rhs[2:] - b.T @ np.array([out.alpha, out.beta]))
        return replace(out, pitch_error=float(errors[0]), roll_error=float(errors[1]))

    def _surprise(self, fit: GroundFit) -> float:
        """How far this frame's ground lies from where the scale expects it, in ``q``, after the one
        shift that a swing of pitch explains. Stairs or a table taken for the ground show here."""
        off = self.alpha * fit.d + self.beta - fit.q
        off = off - float(fit.weight @ off)
        return float(np.sqrt(fit.weight @ off**2))


def farthest_output(cells: Cells) -> float | None:
    """The raw output at the farthest points in view: a low quantile, not the minimum."""
    seen = cells.d[::2, ::2][cells.valid[::2, ::2]]
    return float(np.quantile(seen, 0.03)) if seen.size else None


def _frame_information(
    fit: GroundFit, pose: Pose, view: View, far_d: float | None, far: tuple[float, float]
) -> tuple[Matrix, Matrix]:
    """Information (4, 4) and vector (4,) over alpha, beta, pitch error, roll error."""
    rows = np.stack([fit.d, np.ones_like(fit.q), -fit.dq_pitch, -fit.dq_roll], 1)
    sigma2 = max(fit.noise, MIN_NOISE) ** 2 + (0.03 * fit.q) ** 2
    weighted = rows * (fit.weight * GROUND_SAMPLES / sigma2)[:, None]
    info, rhs = weighted.T @ rows, weighted.T @ fit.q
    for i, mean_deg, sigma_deg in (
        (2, pose.pitch_deg - view.pitch_deg, pose.pitch_sigma_deg),
        (3, pose.roll_deg - view.roll_deg, pose.roll_sigma_deg),
    ):
        variance = float(np.radians(sigma_deg)) ** 2
        info[i, i] += 1 / variance
        rhs[i] += float(np.radians(mean_deg)) / variance
    if far_d is not None:
        row = np.array([far_d, 1.0, 0.0, 0.0])
        sigma = far[1] * pose.height_m
        info += np.outer(row, row) / sigma**2
        rhs += row * far[0] * pose.height_m / sigma**2
    return info, rhs
