"""The per-frame min-max approach as a zone analyser, to be heard beside sonar's own.

The bands themselves come from outside (:mod:`sonar.lab.evaluate.naive` has them): this only
makes them a scene. Such programs know neither height nor drop nor doubt.
"""

from collections.abc import Callable

from sonar.types import SIDES, Band, DepthMap, Frame, Height, Reason, Scene, ZoneReading

Bands = Callable[[DepthMap], tuple[tuple[Band, float], tuple[Band, float], tuple[Band, float]]]


class MinMaxZones:
    """Implements :class:`sonar.ports.ZoneAnalyser`.

    Args:
        bands: of left, middle and right third: the band and a level from 0 to 1.
    """

    def __init__(self, bands: Bands) -> None:
        self._bands = bands

    def update(self, depth: DepthMap, frame: Frame) -> Scene:
        left, center, right = (
            ZoneReading(side, band, level, height=None if band is Band.CLEAR else Height.BODY)
            for side, (band, level) in zip(SIDES, self._bands(depth), strict=True)
        )
        return Scene(frame.id, frame.t, left, center, right, drop_off=False)

    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        return Scene.unknown(frame_id, t, reason)

    def reset(self) -> None:
        """There is nothing to forget."""
