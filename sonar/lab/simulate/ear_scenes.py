"""Things to listen to: drawn scenes with exact depth, through the real zones and mapper.

What is taught is what the product would say of such a scene: each one is checked against the
geometry before it is played.
"""

import random
from dataclasses import dataclass, replace

from sonar.audio.cues import PAN, PulseMapper
from sonar.capture.synthetic import Box, Camera, SyntheticScene, SyntheticSource, floor, scenario
from sonar.config import AudioConfig, BandEdges, MountConfig, SpeechConfig, ZonesConfig
from sonar.errors import SonarError
from sonar.testing.exact import ExactDepth
from sonar.types import SIDES, Band, Cue, Height, Scene, Side
from sonar.zones import DepthZones

RATE_HZ = 10.0
LOOK_FRAMES = 12  # before the sound begins: bands are settled by then
HEARD_FRAMES = 25
BANDS: tuple[Band, ...] = (Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP)
HEIGHTS: tuple[Height, ...] = (Height.FLOOR, Height.BODY, Height.HEAD)
_SPANS_M = {Height.FLOOR: (0.0, 0.3), Height.BODY: (0.0, 1.5), Height.HEAD: (1.45, 1.8)}
_SIZE = (96, 128)
_TRIES = 12


@dataclass(frozen=True, slots=True)
class Exercise:
    """One scene to listen to.

    Attributes:
        side, band, height: the truth.
        cues: (seconds since the start, cue); no phrase gives the answer away.
    """

    side: Side
    band: Band
    height: Height
    cues: tuple[tuple[float, Cue], ...]


class SceneMaker:
    """Makes exercises; the same seed makes the same ones.

    Args:
        audio: how cues are made, the scheme included.
        seed: of the places of things.

    Attributes:
        scheme: of the cues.
    """

    def __init__(self, audio: AudioConfig, seed: int) -> None:
        self._audio = audio
        self.scheme = audio.scheme
        self._speech = SpeechConfig(enabled=False)
        self._random = random.Random(seed)

    def exercise(self, side: Side, band: Band, height: Height = Height.BODY) -> Exercise:
        """Something that stands still. Raises SonarError when no such scene can be made."""
        for _ in range(_TRIES):
            distance_m = self._distance_m(band)
            heard = self._heard(_thing(side, distance_m, height), HEARD_FRAMES)
            made = Exercise(side, band, height, _cues(heard))
            if all(_agrees(scene, made) for scene, _ in heard) and _is_heard(heard, side):
                return made
        raise SonarError(f"no scene for the ear could be made: {band} {side} {height}")

    def approach(self) -> Exercise:
        """A walk towards something straight ahead, from far until stop."""
        scene = _walk(_thing(Side.CENTER, 4.3, Height.BODY), 0.6)
        heard = self._heard(scene, round(3.9 / 0.6 * RATE_HZ))
        return Exercise(Side.CENTER, Band.STOP, Height.BODY, _cues(heard))

    def drop(self) -> Exercise:
        """A walk towards stairs that go down."""
        heard = self._heard(scenario("stairs_down", distance_m=3.5, speed_mps=0.2), HEARD_FRAMES)
        return Exercise(Side.CENTER, Band.CLEAR, Height.FLOOR, _cues(heard))

    def _distance_m(self, band: Band) -> float:
        edges = BandEdges()
        low_m, high_m = {
            Band.STOP: (0.42, edges.stop_m),
            Band.CLOSE: (edges.stop_m, edges.close_m),
            Band.NEAR: (edges.close_m, edges.near_m),
            Band.FAR: (edges.near_m, edges.far_m),
        }[band]
        return low_m + self._random.uniform(0.3, 0.7) * (high_m - low_m)

    def _heard(self, scene: SyntheticScene, frames: int) -> list[tuple[Scene, Cue]]:
        source = SyntheticSource(scene, rate_hz=RATE_HZ, frames=LOOK_FRAMES + frames, size=_SIZE)
        engine = ExactDepth(source)
        camera = scene.camera
        zones = DepthZones(
            ZonesConfig(),
            MountConfig(
                height_m=camera.height_m,
                pitch_deg=camera.pitch_deg,
                roll_deg=camera.roll_deg,
                hfov_deg=camera.hfov_deg,
            ),
        )
        mapper = PulseMapper(self._audio, self._speech)
        heard = []
        for number in range(LOOK_FRAMES + frames):
            frame = source.frame_at(number)
            seen = zones.update(engine.estimate(frame), frame)
            if number >= LOOK_FRAMES:
                heard.append((seen, mapper.update(seen)))
        return heard


def _thing(side: Side, distance_m: float, height: Height) -> SyntheticScene:
    """A post, a low thing or a hanging one, and a camera that sways a little as people do."""
    lateral_m = min(0.36 * distance_m, 0.68) * PAN[side]  # beside the middle, in the way, in view
    half_m = 0.06 * min(distance_m, 2.0)
    low_m, high_m = _SPANS_M[height]
    box = Box(
        (lateral_m - half_m, distance_m, low_m), (lateral_m + half_m, distance_m + 0.05, high_m)
    )
    return SyntheticScene((floor(), box), Camera(), sway_deg=0.3)


def _walk(scene: SyntheticScene, speed_mps: float) -> SyntheticScene:
    return replace(scene, speed_mps=speed_mps, walk_m=3.9)


def _agrees(scene: Scene, wanted: Exercise) -> bool:
    """Whether sonar sees this, and only this."""
    for side, zone in zip(SIDES, scene.zones, strict=True):
        if side is not wanted.side:
            if zone.band is not Band.CLEAR:
                return False
        elif zone.band is not wanted.band or zone.height is not wanted.height:
            return False
    return not scene.drop_off


def _is_heard(heard: list[tuple[Scene, Cue]], side: Side) -> bool:
    return any(cue.pan == PAN[side] and cue.pitch_hz > 0.0 for _, cue in heard) or any(
        cue.columns for _, cue in heard
    )


def _cues(heard: list[tuple[Scene, Cue]]) -> tuple[tuple[float, Cue], ...]:
    begin = heard[0][0].t
    return tuple((scene.t - begin, replace(cue, frame_id=-1, phrase=None)) for scene, cue in heard)
