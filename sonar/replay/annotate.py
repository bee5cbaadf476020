"""Drawing what sonar saw and what is heard onto a frame, for a sighted helper.

Nothing is shown by color alone: every band is written out, and near obstacles get thicker
frames.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.types import Band, Cue, CueKind, DepthKind, DepthMap, RgbImage, Scene

# From an image's height and width to where the zones meet, as fractions of its width.
Borders = Callable[[int, int], tuple[float, float]]

_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
# RGB, chosen to differ in lightness too.
_COLOR = {
    Band.CLEAR: (120, 200, 120),
    Band.FAR: (170, 220, 90),
    Band.NEAR: (255, 215, 60),
    Band.CLOSE: (255, 140, 30),
    Band.STOP: (255, 60, 60),
    Band.UNKNOWN: (190, 190, 190),
}
_THICKNESS = {Band.NEAR: 2, Band.CLOSE: 3, Band.STOP: 5}
_CAPTION_S = 2.0


def heat_map(values: NDArray[np.float32], low: float, high: float) -> RgbImage:
    """INFERNO colors, uint8 (H, W, 3) RGB, bright = near, of ``values`` between ``low`` and
    ``high``, float32 (H, W), of which larger is nearer."""
    span = max(high - low, 1e-9)
    gray = np.clip((values - low) * (255.0 / span), 0, 255).astype(np.uint8)
    colors = cv2.applyColorMap(gray, cv2.COLORMAP_INFERNO)
    return np.asarray(cv2.cvtColor(colors, cv2.COLOR_BGR2RGB), np.uint8)


def nearness(depth: DepthMap) -> NDArray[np.float32]:
    """Values of which larger is nearer, whatever the kind of depth map; float32 (H, W)."""
    if depth.kind is DepthKind.METRIC:
        return (1.0 / np.maximum(depth.values, 0.1)).astype(np.float32)
    return depth.values


class Annotator:
    """Draws depth, zones, distances, sound and words.

    The first frame decides the size: one that H.264 takes, even and at least 64 pixels on a side.

    Args:
        max_side_px: the longer side at most.
        overlay: 0 (frame only) to 1 (depth only).
    """

    def __init__(self, max_side_px: int, borders: Borders, overlay: float) -> None:
        self._max_side_px = max_side_px
        self._size: tuple[int, int] | None = None
        self._borders = borders
        self._overlay = overlay
        self._range: NDArray[np.float32] | None = None
        self._caption, self._caption_end_t = "", -1.0

    def caption(self, text: str, t: float) -> None:
        """Words that are spoken at ``t`` seconds; shown for two seconds."""
        self._caption, self._caption_end_t = text, t + _CAPTION_S

    def draw(
        self, image: RgbImage, depth: DepthMap | None, scene: Scene, cue: Cue | None
    ) -> RgbImage:
        """One annotated frame, a new array, uint8 (height, width, 3) RGB.

        An image of another aspect, where a recording changes its resolution, is not stretched: it
        gets black borders.
        """
        if self._size is None:
            scale = min(1.0, self._max_side_px / max(image.shape[:2]))
            rows, columns = (max(64, 2 * round(side * scale / 2)) for side in image.shape[:2])
            self._size = rows, columns
        height, width = _fitted(image.shape[0], image.shape[1], *self._size)
        canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        if depth is not None and self._overlay > 0:
            heat = cv2.resize(self._heat(depth), (width, height))
            canvas = cv2.addWeighted(heat, self._overlay, canvas, 1 - self._overlay, 0)
        left, right = self._borders(image.shape[0], image.shape[1])
        borders = [0, int(left * width), int(right * width), width]
        for zone, start, end in zip(scene.zones, borders, borders[1:], strict=False):
            edge, color = _THICKNESS.get(zone.band, 1), _COLOR[zone.band]
            corner = (end - edge - 1, height - edge - 1)
            cv2.rectangle(canvas, (start + edge, edge), corner, color, edge)
            lines = [zone.band.value.upper()]
            if zone.distance_m is not None:
                lines.append(f"{zone.distance_m:.1f} m")
            if zone.height is not None:
                lines.append(zone.height.value)
            if zone.ttc_s is not None:
                lines.append(f"in {zone.ttc_s:.1f} s")
            for row, line in enumerate(lines):
                _write(canvas, line, start + 8, int((row + 1) * 34 * _scale(canvas) + 8), color)
        self._draw_footer(canvas, scene, cue)
        rows, columns = self._size[0] - height, self._size[1] - width
        top, side = rows // 2, columns // 2
        return np.pad(canvas, ((top, rows - top), (side, columns - side), (0, 0)))

    def _heat(self, depth: DepthMap) -> RgbImage:
        """Heat map on a range that follows slowly, so that colors keep their meaning."""
        values = nearness(depth)
        sample = values[::4, ::4].flatten()
        rank = sample.size // 100
        sample.partition((rank, sample.size - 1 - rank))  # np.percentile takes ten times as long
        now = np.array([sample[rank], sample[-1 - rank]])
        self._range = now if self._range is None else self._range + 0.05 * (now - self._range)
        return heat_map(values, *map(float, self._range))

    def _draw_footer(self, canvas: RgbImage, scene: Scene, cue: Cue | None) -> None:
        (height, width), scale = canvas.shape[:2], _scale(canvas)
        words = [scene.state.value]
        if scene.reason is not None:
            words.append(scene.reason.value.replace("_", " "))
        if scene.drop_off:
            words.append("POSSIBLE DROP")
        _write(canvas, f"{scene.t:6.1f} s", 8, height - 12)
        _write(canvas, "  ".join(words), 8 + int(140 * scale), height - 12)
        y = height - int(44 * scale) - 12
        if cue is not None and cue.kind is not CueKind.SILENCE:
            radius = int(8 + 10 * scale)
            x = radius + int((cue.pan + 1) / 2 * (width - 2 * radius))
            cv2.circle(canvas, (x, y - radius), radius, _BLACK, -1)
            cv2.circle(canvas, (x, y - radius), radius - 3, _WHITE, -1)
            rate = f"{cue.rate_hz:.1f}/s" if cue.kind is CueKind.PULSE else cue.kind.value
            _write(canvas, cue.earcon or rate, min(x, width - 120) + 4, y + 4)
        if scene.t < self._caption_end_t:
            _write(canvas, f'"{self._caption}"', 8, y - int(40 * scale))


def _scale(canvas: RgbImage) -> float:
    """Of letters that fit the canvas."""
    return max(0.4, float(min(canvas.shape[:2])) / 700)


def _write(
    canvas: RgbImage, text: str, x: int, y: int, color: tuple[int, int, int] = _WHITE
) -> None:
    """``text`` with its baseline at ``y`` and a dark rim, readable on any frame."""
    # Not one thicker black stroke: that is wider too, and slips along the line.
    for dx, dy, ink in (*((dx, dy, _BLACK) for dx in (-1, 1) for dy in (-1, 1)), (0, 0, color)):
        place, font = (x + dx, y + dy), cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(canvas, text, place, font, _scale(canvas), ink, 1, cv2.LINE_AA)


def _fitted(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """(height, width) of an image of (height, width) made to fit into (high, wide).

    A difference of a pixel or two, which comes from rounding to even numbers, is filled.
    """
    scale = min(high / height, wide / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return (high if high - rows <= 2 else rows, wide if wide - columns <= 2 else columns)
