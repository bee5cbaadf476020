"""Finding out how a camera sits: from a recording or live, with words and a spoken guide.

The angles come from :func:`sonar.zones.estimate_mount`. Height cannot be seen by one camera: it is
given, and checked where one distance is known. The field of view is given, or measured with a
printed chessboard.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import yaml

from sonar.app import make_zones
from sonar.config import MountConfig, SonarConfig
from sonar.errors import ConfigError, SourceError, SourceTimeout
from sonar.files import atomic_path
from sonar.ports import Clock, Engine, FrameSource
from sonar.types import DepthMap, Frame, RgbImage
from sonar.zones import MountEstimate, estimate_mount, judge, subsample

MOST_FRAMES = 120
MOST_BOARDS = 20
FEWEST_BOARDS = 5
GOOD_QUALITY = 0.5


@dataclass(frozen=True, slots=True)
class Calibration:
    """The result.

    Attributes:
        mount: for the configuration.
        estimate: where the angles come from.
        boards: pictures of the chessboard that were used, 0 without.
        board_error_px: root mean square reprojection error, None without.
        reported_m: median distance straight ahead under this mount, None where not asked for
            or not seen.
    """

    mount: MountConfig
    estimate: MountEstimate
    boards: int = 0
    board_error_px: float | None = None
    reported_m: float | None = None

    @property
    def good(self) -> bool:
        return self.estimate.quality >= GOOD_QUALITY


def record(
    source: FrameSource, clock: Clock, seconds: float, advance: Callable[[int, int | None], None]
) -> list[Frame]:
    """Up to ``MOST_FRAMES`` frames of an open source, spread over ``seconds``.

    A recording is read to its end, or for ``seconds`` of its own time. Raises SourceError when
    nothing came, or nothing in which the camera saw (dark, covered, blank ...).
    """
    frames: list[Frame] = []
    step_s = seconds / MOST_FRAMES
    begin_s, deadline_s = None, clock.now() + seconds + 10.0
    while True:
        try:
            frame = source.read(1.0)
        except SourceTimeout:
            if clock.now() > deadline_s:
                break
            continue
        if frame is None:
            break
        begin_s = frame.t if begin_s is None else begin_s
        if frame.t - begin_s > seconds:
            break
        if not frames or frame.t - frames[-1].t >= step_s:
            frames.append(frame)
            advance(min(len(frames), MOST_FRAMES), MOST_FRAMES)
    blind = [judge(subsample(frame.image)) for frame in frames]
    seen = [frame for frame, reason in zip(frames, blind, strict=True) if reason is None]
    if not seen:
        why = Counter(blind).most_common(1)[0][0] if blind else "nothing came"
        raise SourceError(f"{source.label} gave no picture to calibrate with ({why})")
    return seen


def calibrate(
    frames: list[Frame],
    engine: Engine,
    config: SonarConfig,
    mount: MountConfig,
    *,
    board: tuple[int, int] | None = None,
    distance_m: float | None = None,
    advance: Callable[[int, int | None], None] = lambda done, total: None,
) -> Calibration | None:
    """The mount from frames of a free way ahead, or None where no floor is seen.

    Args:
        mount: what is known: height, field of view or intrinsics.
        board: inner corners (columns, rows) of a chessboard in some of the frames.
        distance_m: how far off the thing straight ahead truly is, to check the height with.

    Raises:
        SourceError: a chessboard was announced and is not seen well enough.
        DepthError: the network fails.
    """
    frames = [frame for frame in frames if frame.image.shape == frames[0].image.shape]
    boards, error_px = 0, None
    if board is not None:
        mount, boards, error_px = _with_lens([frame.image for frame in frames], board, mount)
    depths = list(_depths(frames, engine, advance))
    size = (frames[0].image.shape[0], frames[0].image.shape[1])
    estimate = estimate_mount(depths, size, mount)
    if estimate is None:
        return None
    mount = estimate.applied_to(mount)
    reported = None if distance_m is None else _ahead(frames, depths, config, mount)
    return Calibration(mount, estimate, boards, error_px, reported)


def write_mount(path: Path, found: Calibration) -> None:
    """A YAML file for ``--config``, with what it rests on. Raises OutputError, ConfigError."""
    if path.exists():
        raise ConfigError(f"{path} exists already; name another file, or remove it")
    estimate = found.estimate
    values = found.mount.model_dump(mode="json", exclude_defaults=True)
    if "distortion" in values:
        values["distortion"] = [round(float(k), 5) for k in values["distortion"]]
    text = (
        "# Written by `sonar calibrate`.\n"
        f"# From {estimate.frames_used} of {estimate.frames} frames; single frames vary by "
        f"{estimate.pitch_spread_deg:.1f} (pitch) and {estimate.roll_spread_deg:.1f} (roll) "
        f"degrees; quality {estimate.quality:.2f} of 1.\n"
        + yaml.safe_dump({"mount": values}, sort_keys=False)
    )
    with atomic_path(path) as temporary:
        temporary.write_text(text, "utf-8")


def _depths(
    frames: list[Frame], engine: Engine, advance: Callable[[int, int | None], None]
) -> Iterator[DepthMap]:
    for index, frame in enumerate(frames):
        yield engine.estimate(frame)
        advance(index + 1, len(frames))


def _ahead(
    frames: list[Frame], depths: list[DepthMap], config: SonarConfig, mount: MountConfig
) -> float | None:
    zones = make_zones(config, mount)
    readings = [
        zones.update(depth, frame).center.distance_m
        for depth, frame in zip(depths, frames, strict=True)
    ]
    known = [meters for meters in readings if meters is not None]
    return median(known) if known else None


def _with_lens(
    images: list[RgbImage], board: tuple[int, int], mount: MountConfig
) -> tuple[MountConfig, int, float]:
    """Focal lengths, centre and distortion from pictures of a chessboard (Zhang's method)."""
    columns, rows = board
    grid = np.zeros((rows * columns, 3), np.float32)
    grid[:, :2] = np.mgrid[0:columns, 0:rows].T.reshape(-1, 2)
    found = []
    for image in images[:: max(1, len(images) // (3 * MOST_BOARDS))]:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        seen, corners = cv2.findChessboardCorners(grey, (columns, rows))
        if seen:
            stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.01)
            found.append(cv2.cornerSubPix(grey, corners, (5, 5), (-1, -1), stop))
        if len(found) >= MOST_BOARDS:
            break
    if len(found) < FEWEST_BOARDS:
        raise SourceError(
            f"the {columns}x{rows} chessboard is seen in {len(found)} pictures, at least "
            f"{FEWEST_BOARDS} from different sides are needed"
        )
    height, width = images[0].shape[:2]
    error_px, matrix, lens, _, _ = cv2.calibrateCamera(
        [grid] * len(found), found, (width, height), None, None
    )
    lengths = {
        "fx_px": round(float(matrix[0, 0]), 2),
        "fy_px": round(float(matrix[1, 1]), 2),
        "cx_px": round(float(matrix[0, 2]), 2),
        "cy_px": round(float(matrix[1, 2]), 2),
        "calibrated_width_px": width,
        "calibrated_height_px": height,
        "hfov_deg": None,
        "distortion": tuple(float(k) for k in np.ravel(lens)[:5]),
    }
    return MountConfig.model_validate(mount.model_dump() | lengths), len(found), float(error_px)
