"""What travels through sonar: Frame -> DepthMap -> Scene -> Cue.

Frozen, units in the names, validated when made: a wrong dtype, shape or range raises ValueError.
Arrays inside are shared, not copied: nobody writes to them once they are here.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatImage = NDArray[np.float32]
RgbImage = NDArray[np.uint8]
FOCAL = 0.832  # focal length over the longer side of the lens that is assumed: 62 degrees


class DepthKind(StrEnum):
    """What the values of a depth map mean.

    Examples:
        >>> sonar.DepthKind("metric") is sonar.DepthKind.METRIC
        True
    """

    RELATIVE_INVERSE = "relative_inverse"  # larger is nearer; unknown scale and shift
    METRIC = "metric"  # meters along the optical axis; larger is farther
    # camera height / Z times (focal length / longer side) / FOCAL, all in pixels; larger is nearer
    PER_CAMERA_HEIGHT = "per_camera_height"


class Side(StrEnum):
    """Which third of the way ahead, as the walker sees it.

    Examples:
        >>> [side.value for side in sonar.Side]
        ['left', 'center', 'right']
    """

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


SIDES: tuple[Side, Side, Side] = (Side.LEFT, Side.CENTER, Side.RIGHT)


class Band(StrEnum):
    """How near the nearest obstacle of a zone is; edges: ``zones.bands``. UNKNOWN is not CLEAR.

    Examples:
        >>> [band.value for band in sonar.Band]
        ['clear', 'far', 'near', 'close', 'stop', 'unknown']
    """

    CLEAR = "clear"
    FAR = "far"
    NEAR = "near"
    CLOSE = "close"
    STOP = "stop"
    UNKNOWN = "unknown"


BANDS_BY_NEARNESS: tuple[Band, ...] = (Band.CLEAR, Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP)


class Height(StrEnum):
    """Where an obstacle meets the body.

    Examples:
        >>> sonar.Height.HEAD.value
        'head'
    """

    FLOOR = "floor"  # step over, trip
    BODY = "body"
    HEAD = "head"  # nothing below it: a cane passes under


class State(StrEnum):
    """The running system's state machine; every state has its own sound.

    Examples:
        >>> [state.value for state in sonar.State]
        ['loading', 'ready', 'guiding', 'degraded', 'stopped']
    """

    LOADING = "loading"
    READY = "ready"
    GUIDING = "guiding"
    DEGRADED = "degraded"
    STOPPED = "stopped"


class Reason(StrEnum):
    """Why evidence is missing or weak. Each has a phrase in the speech catalogue.

    Examples:
        >>> sonar.Reason("stale") is sonar.Reason.STALE  # no fresh frame in time
        True
    """

    STALE = "stale"  # no fresh frame in time
    SOURCE_LOST = "source_lost"  # camera or stream gone
    DEPTH_FAILED = "depth_failed"  # the network threw or gave nonsense
    DARK = "dark"
    GLARE = "glare"
    BLURRED = "blurred"
    COVERED = "covered"  # something lies on the lens
    BLANK = "blank"  # no texture: a wall at arm's length, or sky
    FROZEN = "frozen"  # the same frame again and again
    NO_GROUND = "no_ground"  # distances are guesses while no ground is seen
    AUDIO_LOST = "audio_lost"
    SPEECH_LOST = "speech_lost"


class CueKind(StrEnum):
    """How a cue sounds.

    Examples:
        >>> [kind.value for kind in sonar.CueKind]
        ['silence', 'pulse', 'continuous', 'earcon', 'scan']
    """

    SILENCE = "silence"
    PULSE = "pulse"  # repeated at rate_hz
    CONTINUOUS = "continuous"
    EARCON = "earcon"  # a fixed short signal, named by ``earcon``
    SCAN = "scan"  # ``columns`` one after the other, left to right, again and again


class Priority(IntEnum):
    """How urgent a cue is; a higher one pre-empts a lower one.

    Examples:
        >>> sonar.Priority.DANGER > sonar.Priority.WARNING
        True
    """

    IDLE = 0
    INFO = 1
    WARNING = 2
    DANGER = 3


def _check(condition: object, message: str) -> None:
    if not condition:
        raise ValueError(message)


def _is_array(x: object, dtype: type, ndim: int) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == dtype and x.ndim == ndim and x.size > 0


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of a source.

    Attributes:
        image: uint8 array of shape ``(H, W, 3)``, RGB.
        id: running number from the source, 0 first; gaps are dropped frames.
        t: seconds: monotonic capture time of a live source, media time of a recording.
        duration_s: how long a recording shows the frame, > 0; None where not known, or live.

    Examples:
        >>> sonar.Frame(np.zeros((480, 640, 3), np.uint8), id=0, t=0.0).image.shape
        (480, 640, 3)
    """

    image: RgbImage
    id: int
    t: float
    duration_s: float | None = None

    def __post_init__(self) -> None:
        right = _is_array(self.image, np.uint8, 3) and self.image.shape[2] == 3
        _check(right, "Frame.image must be a non-empty uint8 array of shape (H, W, 3)")
        _check(np.isfinite(self.t), "Frame.t must be finite")
        _check(self.duration_s is None or self.duration_s > 0.0, "Frame.duration_s must be > 0")


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """Depth at the network's resolution.

    Attributes:
        values: float32 array of shape ``(H, W)``; meaning as ``kind`` says.
        kind: relative inverse depth, meters or camera heights, never mixed silently.
        model: name of the model that made it, by which its traits are known; "" for none.
        walkable, stairs, drop: probability in [0, 1] of ground, of stairs, and of ground that lies
            lower than the walker's; same shape, or None.
        log_sigma: log of the standard deviation of the log of depth, same shape, or None.

    Examples:
        >>> sonar.DepthMap(np.full((192, 256), 2.5, np.float32), sonar.DepthKind.METRIC).kind.value
        'metric'
    """

    values: FloatImage
    kind: DepthKind = DepthKind.RELATIVE_INVERSE
    walkable: FloatImage | None = None
    stairs: FloatImage | None = None
    drop: FloatImage | None = None
    log_sigma: FloatImage | None = None
    model: str = ""

    def __post_init__(self) -> None:
        for name in ("values", "walkable", "stairs", "drop", "log_sigma"):
            array = getattr(self, name)
            right = _is_array(array, np.float32, 2) and array.shape == self.values.shape
            absent = array is None and name != "values"
            _check(right or absent, f"DepthMap.{name} must be non-empty float32 (H, W), all alike")


@dataclass(frozen=True, slots=True)
class ZoneReading:
    """What is known of one zone.

    Attributes:
        side: left, center or right.
        proximity: 0 (nothing near) to 1 (touching); 0 where the band is unknown.
        band: the latched, flicker-free step.
        distance_m, distance_sigma_m: meters to the nearest obstacle and their standard
            uncertainty, or None where meters are not trusted.
        ttc_s: seconds to collision at the present closing speed, or None.
        height: where the obstacle meets the body, or None.

    Examples:
        >>> sonar.ZoneReading(sonar.Side.LEFT, sonar.Band.CLOSE, 0.8, distance_m=0.9).distance_m
        0.9
    """

    side: Side
    band: Band
    proximity: float = 0.0
    distance_m: float | None = None
    distance_sigma_m: float | None = None
    ttc_s: float | None = None
    height: Height | None = None

    def __post_init__(self) -> None:
        _check(0.0 <= self.proximity <= 1.0, "ZoneReading.proximity must lie in [0, 1]")
        for name in ("distance_m", "distance_sigma_m", "ttc_s"):
            value = getattr(self, name)
            right = value is None or 0.0 <= value < np.inf
            _check(right, f"ZoneReading.{name} must be None or finite and >= 0")


class Column(NamedTuple):
    """The nearest obstacle in a vertical strip of the frame.

    Attributes:
        proximity: 0 (nothing within the far band) to 1 (touching).
        elevation: where it is: 0 at the frame's lower edge, 1 at the upper.
        bearing_deg: of the strip's middle, from the way ahead, positive to the right.
        free_m: meters along the ground that are free in this direction, at most to the far band's
            edge; None where that is not known.
        free_sigma_m: standard uncertainty of ``free_m``, or None.

    Examples:
        >>> sonar.Column(proximity=0.7, elevation=0.4).proximity
        0.7
    """

    proximity: float
    elevation: float
    bearing_deg: float = 0.0
    free_m: float | None = None
    free_sigma_m: float | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of the way ahead at one frame.

    Attributes:
        frame_id, t: of the frame it was read from; ``t`` in the source's seconds.
        drop_off: True possible drop ahead, False none seen, None not known.
        drop_off_distance_m: meters to its edge where known.
        state, reason: guiding, or degraded and why evidence is missing or weak.
        profile: the nearest obstacle in each strip, left to right; empty where not known.

    Examples:
        >>> scene = sonar.Scene.unknown(frame_id=0, t=0.0, reason=sonar.Reason.DARK)
        >>> scene.center.band.value, scene.reason.value
        ('unknown', 'dark')
    """

    frame_id: int
    t: float
    left: ZoneReading
    center: ZoneReading
    right: ZoneReading
    drop_off: bool | None = None
    drop_off_distance_m: float | None = None
    state: State = State.GUIDING
    reason: Reason | None = None
    profile: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        sides = tuple(zone.side for zone in self.zones)
        _check(sides == SIDES, "Scene zones must be left, center and right, in their places")

    @property
    def zones(self) -> tuple[ZoneReading, ZoneReading, ZoneReading]:
        """Left, center, right."""
        return (self.left, self.center, self.right)

    @classmethod
    def unknown(
        cls, frame_id: int, t: float, reason: Reason | None, state: State = State.DEGRADED
    ) -> "Scene":
        """A scene of which nothing is known: every band UNKNOWN."""
        left, center, right = (ZoneReading(side, Band.UNKNOWN) for side in SIDES)
        return cls(frame_id, t, left, center, right, state=state, reason=reason)


@dataclass(frozen=True, slots=True)
class Cue:
    """What is to be heard from now on, until the next cue.

    Attributes:
        frame_id, t: of the frame that caused it (source's seconds); for frame-to-sound age.
        pan: -1 (left) to 1 (right).
        rate_hz, pitch_hz: pulses per second, > 0 for pulses, and their fundamental.
        level_db: dB relative to the scheme's reference level, <= 0.
        earcon: name of the fixed signal; with another kind it is played once, when it changes.
        phrase: key into the speech catalogue, or None.
        why: the cause in words, for events and reports ("close, left, 0.9 m").
        columns: of a ``SCAN``, left to right.

    Examples:
        >>> sonar.Cue(sonar.CueKind.PULSE, pan=-1.0, rate_hz=4.0, pitch_hz=800.0).priority.name
        'IDLE'
    """

    kind: CueKind
    frame_id: int = -1
    t: float = 0.0
    pan: float = 0.0
    rate_hz: float = 0.0
    pitch_hz: float = 0.0
    level_db: float = 0.0
    priority: Priority = Priority.IDLE
    earcon: str | None = None
    phrase: str | None = None
    why: str = ""
    columns: tuple[Column, ...] = ()

    def __post_init__(self) -> None:
        _check(-1.0 <= self.pan <= 1.0, "Cue.pan must lie in [-1, 1]")
        _check(self.level_db <= 0.0, "Cue.level_db must be <= 0")
        _check(self.rate_hz >= 0.0 and self.pitch_hz >= 0.0, "Cue rates must be >= 0")
        _check(self.kind is not CueKind.PULSE or self.rate_hz > 0.0, "a pulse needs rate_hz > 0")
        _check(self.kind is not CueKind.EARCON or self.earcon, "an earcon cue names its earcon")
        _check(self.kind is not CueKind.SCAN or self.columns, "a scan needs columns")
