"""Drawing what sonar saw and what is heard onto a frame, for a sighted helper.

Nothing is shown by color alone: every band is written out, and near obstacles get thicker
frames.
"""

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.types import (
    Band,
    Cue,
    CueKind,
    DepthKind,
    DepthMap,
    RgbImage,
    Scene,
    ZoneReading,
)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
# RGB, chosen to differ in lightness too.
_COLOR = {
    Band.CLEAR: (120, 200, 120),
    Band.FAR: (170, 220, 90),
    Band.NEAR: (255, 215, 60),
    Band.CLOSE: (255, 140, 30),
    Band.STOP: (255, 60, 60),
    Band.UNKNOWN: (190, 190, 190),
}
_INFERNO = cv2.cvtColor(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO),
    cv2.COLOR_BGR2RGB,
)
_RIM = 2  # pixels around a text
_THICKNESS = {Band.NEAR: 2, Band.CLOSE: 3, Band.STOP: 5}


def heat_map(values: NDArray[np.float32], low: float, high: float) -> RgbImage:
    """INFERNO colors, bright = near, of inverse depth between ``low`` and ``high``.

    Args:
        values: float32 (H, W); larger is nearer.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    span = max(high - low, 1e-9)
    gray = np.clip((values - low) * (255.0 / span), 0, 255).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(gray, _INFERNO), dtype=np.uint8)


def nearness(depth: DepthMap) -> NDArray[np.float32]:
    """Values of which larger is nearer, whatever the kind of depth map; float32 (H, W)."""
    if depth.kind is DepthKind.METRIC:
        return (1.0 / np.maximum(depth.values, 0.1)).astype(np.float32)
    return depth.values


class Annotator:
    """Pictures of one fixed size with depth, zones, distances, sound and words.

    Pages of memory are costly to come by: a frame is drawn where the last one was.

    Args:
        height, width: size of the frames made.
        edges: maps a frame's width-over-height to the two borders between the zones, as
            fractions of the width from the left.
        overlay: 0 (frame only) to 1 (depth only).
    """

    def __init__(
        self,
        height: int,
        width: int,
        edges: Callable[[int, int], tuple[float, float]],
        overlay: float,
    ) -> None:
        self._height, self._width = height, width
        self._edges = edges
        self._overlay = overlay
        self._range: tuple[float, float] | None = None
        self._caption = ""
        self._caption_until = -1.0
        self._text = max(0.4, min(height, width) / 700)
        self._canvas = np.empty((height, width, 3), np.uint8)

    def caption(self, text: str, t: float) -> None:
        """Words that are spoken at ``t`` seconds; shown for two seconds."""
        self._caption, self._caption_until = text, t + 2.0

    def draw(
        self, image: RgbImage, depth: DepthMap | None, scene: Scene, cue: Cue | None
    ) -> RgbImage:
        """One annotated frame, uint8 (height, width, 3) RGB, overwritten by the next call;
        ``image`` is left alone."""
        size, canvas = (self._width, self._height), self._canvas
        scaled = image.shape[:2] != (self._height, self._width)
        frame = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scaled else image
        if depth is not None and self._overlay > 0:
            cv2.resize(self._heat(depth), size, dst=canvas, interpolation=cv2.INTER_LINEAR)
            cv2.addWeighted(canvas, self._overlay, frame, 1 - self._overlay, 0, dst=canvas)
        else:
            np.copyto(canvas, frame)
        left, right = self._edges(*image.shape[:2])
        borders = [0, int(left * self._width), int(right * self._width), self._width]
        for index, zone in enumerate(scene.zones):
            self._draw_zone(canvas, zone, borders[index], borders[index + 1])
        self._draw_footer(canvas, scene, cue)
        return canvas

    def _heat(self, depth: DepthMap) -> RgbImage:
        """Heat map on a range that follows slowly, so that colors keep their meaning."""
        values = nearness(depth)
        sample = values[::4, ::4].flatten()
        rank = sample.size // 100
        sample.partition((rank, sample.size - 1 - rank))  # np.percentile takes ten times as long
        now = (float(sample[rank]), float(sample[-1 - rank]))
        if self._range is None:
            self._range = now
        low, high = (old + 0.05 * (new - old) for old, new in zip(self._range, now, strict=True))
        self._range = (low, high)
        return heat_map(values, low, high)

    def _draw_zone(
        self, canvas: NDArray[np.uint8], zone: ZoneReading, start: int, end: int
    ) -> None:
        color = _COLOR[zone.band]
        thickness = _THICKNESS.get(zone.band, 1)
        inset = thickness
        cv2.rectangle(
            canvas,
            (start + inset, inset),
            (end - inset - 1, self._height - inset - 1),
            color,
            thickness,
        )
        lines = [zone.band.value.upper()]
        if zone.distance_m is not None:
            lines.append(f"{zone.distance_m:.1f} m")
        if zone.height is not None:
            lines.append(zone.height.value)
        if zone.ttc_s is not None:
            lines.append(f"in {zone.ttc_s:.1f} s")
        for row, line in enumerate(lines):
            y = int((row + 1) * 34 * self._text + 8)
            self._write(canvas, line, start + 8, y, color)

    def _draw_footer(self, canvas: NDArray[np.uint8], scene: Scene, cue: Cue | None) -> None:
        words = [scene.state.value]
        if scene.reason is not None:
            words.append(scene.reason.value.replace("_", " "))
        if scene.drop_off:
            words.append("POSSIBLE DROP")
        self._write(canvas, f"{scene.t:6.1f} s", 8, self._height - 12, (255, 255, 255))
        words_x = 8 + int(140 * self._text)
        self._write(canvas, "  ".join(words), words_x, self._height - 12, (255, 255, 255))
        y = self._height - int(44 * self._text) - 12
        if cue is not None and cue.kind is not CueKind.SILENCE:
            x = int((cue.pan + 1) / 2 * (self._width - 1))
            radius = int(8 + 10 * self._text)
            cv2.circle(canvas, (x, y - radius), radius, (0, 0, 0), -1)
            cv2.circle(canvas, (x, y - radius), radius - 3, (255, 255, 255), -1)
            sound = cue.earcon or (
                f"{cue.rate_hz:.1f}/s" if cue.kind is CueKind.PULSE else cue.kind.value
            )
            self._write(canvas, sound, min(x, self._width - 120) + 4, y + 4, (255, 255, 255))
        if scene.t < self._caption_until and self._caption:
            self._write(canvas, f'"{self._caption}"', 8, y - int(40 * self._text), (255, 255, 255))

    def _write(
        self, canvas: NDArray[np.uint8], text: str, x: int, y: int, color: tuple[int, int, int]
    ) -> None:
        """``text`` with its baseline at ``y``; what does not fit is cut off."""
        kept, added, above = _stamp(text, color, self._text)
        top, left = y - above, x - _RIM
        first_y, first_x = max(0, top), max(0, left)
        end_y, end_x = max(0, top + len(kept)), max(0, left + kept.shape[1])
        place = canvas[first_y:end_y, first_x:end_x]
        if place.size:
            rows, columns = place.shape[:2]
            skip_y, skip_x = first_y - top, first_x - left
            part = slice(skip_y, skip_y + rows), slice(skip_x, skip_x + columns)
            place[:] = cv2.add(cv2.multiply(place, kept[part], scale=1 / 255), added[part])


@lru_cache(maxsize=256)
def _stamp(
    text: str, color: tuple[int, int, int], size: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], int]:
    """Text with a dark rim, readable on any frame; the same words come again and again.

    Returns:
        uint8 (h, w, 3) of 255ths that stay of the frame, uint8 (h, w, 3) to be added to it, and
        how many rows of them are above the baseline.
    """
    (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
    above = height + 2 * _RIM
    kept = np.full((above + below + _RIM, width + 2 * _RIM, 3), 255, np.uint8)
    added = np.zeros_like(kept)
    # Not one thicker stroke: that is wider too, and slips along the line.
    for dx, dy in ((-1, -1), (-1, 1), (1, -1), (1, 1), (0, 0)):
        cv2.putText(kept, text, (_RIM + dx, above + dy), _FONT, size, (0, 0, 0), 1, cv2.LINE_AA)
    cv2.putText(added, text, (_RIM, above), _FONT, size, color, 1, cv2.LINE_AA)
    return kept, added, above
