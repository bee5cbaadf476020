"""What stays the same over a run, and what is carried from frame to frame."""

from dataclasses import dataclass, field, replace

from sonar.config import MountConfig, ZonesConfig
from sonar.zones.approach import Track
from sonar.zones.dropoff import DropTrack
from sonar.zones.geometry import pose_of
from sonar.zones.latch import Latch
from sonar.zones.prior import LevelPrior, NetworkPrior
from sonar.zones.scale import Scale, initial_scale
from sonar.zones.turning import Turning
from sonar.zones.under import Under


@dataclass(frozen=True, slots=True)
class Settings:
    """What does not change from frame to frame.

    Attributes:
        tracked: pitch and roll in ``mount`` are this very frame's (an IMU, a recording's poses).
        prior: what the output of the model that made the present map is worth, or None.
    """

    zones: ZonesConfig
    mount: MountConfig
    prior: NetworkPrior | None = None
    tracked: bool = False


@dataclass(frozen=True, slots=True)
class Searched:
    """When the ground was last searched for (s), and the share of cells it has had since."""

    searched_t: float = 0.0
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Whole:
    """What a zone as a whole said at ``t`` (s): (log distance, its sigma), or None."""

    t: float
    said: tuple[float, float] | None


@dataclass(frozen=True, slots=True, eq=False)
class ZonesState:
    """What is carried on.

    Attributes:
        scale: from the map's units to metres.
        pitch_deg, roll_deg: slow estimate of the camera's pose.
        t: of the last frame, or None.
        ground: of the last search for the ground.
        tracks, latches, wholes, unders: left, center, right.
        drop: evidence of a drop-off.
        turning: where the camera looks, as a sum of turns.
        doubt: how little the network knows this place, or None before the first look.
    """

    scale: Scale
    pitch_deg: float
    roll_deg: float
    t: float | None = None
    ground: Searched = Searched()
    tracks: tuple[Track, Track, Track] = field(default_factory=lambda: (Track(), Track(), Track()))
    latches: tuple[Latch, Latch, Latch] = field(default_factory=lambda: (Latch(), Latch(), Latch()))
    wholes: tuple[Whole | None, Whole | None, Whole | None] = (None, None, None)
    unders: tuple[Under | None, Under | None, Under | None] = (None, None, None)
    drop: DropTrack = field(default_factory=DropTrack)
    turning: Turning = field(default_factory=Turning)
    doubt: float | None = None


def initial_state(settings: Settings) -> ZonesState:
    """Before the first frame."""
    pose = pose_of(settings.mount)
    return ZonesState(initial_scale(_level(settings)), pose.pitch_deg, pose.roll_deg)


def with_new_units(state: ZonesState, settings: Settings) -> ZonesState:
    """The state when another model's maps come, whose units are not the old one's.

    What is known in meters and degrees stays: tracks, bands and the pose. ``settings`` has the
    new model's prior.
    """
    scale = replace(initial_scale(_level(settings)), age_s=state.scale.age_s)
    turning = Turning(deg=state.turning.deg)
    return replace(
        state,
        scale=scale,
        turning=turning,
        ground=Searched(),
        wholes=(None, None, None),
        doubt=None,
    )


def _level(settings: Settings) -> LevelPrior | None:
    return settings.prior.level if settings.prior else None
