"""Exercises for the ear: scenes as the zones report them, through the real mapper."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sonar.audio.cues import PulseMapper
from sonar.config import AudioConfig, BandEdges, SpeechConfig
from sonar.types import SIDES, Band, Column, Cue, Height, Scene, Side, ZoneReading

RATE_HZ = 10.0
HEARD_FRAMES = 25
WALK_MPS = 0.6
BANDS: tuple[Band, ...] = (Band.FAR, Band.NEAR, Band.CLOSE, Band.STOP)
HEIGHTS: tuple[Height, ...] = (Height.FLOOR, Height.BODY, Height.HEAD)
_ELEVATIONS = {Height.FLOOR: 0.2, Height.BODY: 0.5, Height.HEAD: 0.85}
_STRIPS = 3  # of the profile, for each side
_EDGES = BandEdges()
_ENDS_M = {
    Band.FAR: (_EDGES.near_m, _EDGES.far_m),
    Band.NEAR: (_EDGES.close_m, _EDGES.near_m),
    Band.CLOSE: (_EDGES.stop_m, _EDGES.close_m),
    Band.STOP: (0.4, _EDGES.stop_m),
}


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
        seed: of the distances.
    """

    def __init__(self, audio: AudioConfig, seed: int) -> None:
        self.audio = audio
        self._random = random.Random(seed)

    def exercise(self, side: Side, band: Band, height: Height = Height.BODY) -> Exercise:
        """An obstacle that keeps its place."""
        low_m, high_m = _ENDS_M[band]
        distance_m = low_m + self._random.uniform(0.3, 0.7) * (high_m - low_m)
        scenes = [_scene(n, side, distance_m, height) for n in range(HEARD_FRAMES)]
        return Exercise(side, band, height, self._cues(scenes))

    def approach(self) -> Exercise:
        """A walk towards an obstacle straight ahead, from far until stop."""
        frames = round((_EDGES.far_m - 0.45) / WALK_MPS * RATE_HZ)
        scenes = [
            _scene(n, Side.CENTER, _EDGES.far_m - 0.05 - n * WALK_MPS / RATE_HZ, Height.BODY)
            for n in range(frames)
        ]
        return Exercise(Side.CENTER, Band.STOP, Height.BODY, self._cues(scenes))

    def drop(self) -> Exercise:
        """A walk towards stairs that go down."""
        left, center, right = (ZoneReading(side, Band.CLEAR) for side in SIDES)
        scenes = [
            Scene(n, n / RATE_HZ, left, center, right, True, 3.0 - 0.2 * n / RATE_HZ)
            for n in range(HEARD_FRAMES)
        ]
        return Exercise(Side.CENTER, Band.CLEAR, Height.FLOOR, self._cues(scenes))

    def _cues(self, scenes: Sequence[Scene]) -> tuple[tuple[float, Cue], ...]:
        mapper = PulseMapper(self.audio, SpeechConfig(enabled=False))
        cues = [(scene.t, mapper.update(scene)) for scene in scenes]
        return tuple((t, replace(cue, frame_id=-1, phrase=None)) for t, cue in cues)


def _scene(number: int, side: Side, distance_m: float, height: Height) -> Scene:
    """One obstacle on one side, nothing else."""
    band = next(band for band in reversed(BANDS) if distance_m < _ENDS_M[band][1])
    proximity = 1.0 - distance_m / _EDGES.far_m
    left, center, right = (
        ZoneReading(each, band, proximity, distance_m, height=height)
        if each is side
        else ZoneReading(each, Band.CLEAR)
        for each in SIDES
    )
    nearest = Column(proximity, _ELEVATIONS[height])
    profile = [nearest if each is side else Column(0.0, 0.0) for each in SIDES]
    strips = tuple(column for column in profile for _ in range(_STRIPS))
    return Scene(number, number / RATE_HZ, left, center, right, False, profile=strips)
