"""Drawing what sonar saw and what is heard onto a frame, for a sighted helper.

Nothing is shown by color alone: every band is written out, and near obstacles get thicker
frames.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from sonar.types import Band, Cue, CueKind, DepthKind, DepthMap, RgbImage, Scene

Borders = Callable[[int, int], tuple[float, float]]
"""From an image's height and width to the two borders between the zones, as fractions of the
width from the left."""

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
_INFERNO = cv2.cvtColor(
    cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO),
    cv2.COLOR_BGR2RGB,
)


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


def even_size(height: int, width: int, max_side_px: int) -> tuple[int, int]:
    """(height, width) that H.264 takes: even, at least 64, longer side at most ``max_side_px``.

    The aspect is kept except where a side would fall below 64 pixels.
    """
    scale = min(1.0, max_side_px / max(height, width))
    return (
        max(64, 2 * round(height * scale / 2)),
        max(64, 2 * round(width * scale / 2)),
    )


class Annotator:
    """Draws depth, zones, distances, sound and words.

    Attributes:
        size: (height, width) of what :meth:`draw` returns, in pixels.

    Args:
        overlay: 0 (frame only) to 1 (depth only).
    """

    def __init__(self, size: tuple[int, int], borders: Borders, overlay: float) -> None:
        self.size = size
        self._borders = borders
        self._overlay = overlay
        self._range: tuple[float, float] | None = None
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
        height, width = _fitted(image.shape[0], image.shape[1], *self.size)
        canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        if depth is not None and self._overlay > 0:
            heat = cv2.resize(self._heat(depth), (width, height))
            canvas = cv2.addWeighted(heat, self._overlay, canvas, 1 - self._overlay, 0)
        text = _Text(canvas)
        left, right = self._borders(image.shape[0], image.shape[1])
        borders = [0, int(left * width), int(right * width), width]
        for index, zone in enumerate(scene.zones):
            start, end, edge = borders[index], borders[index + 1], _THICKNESS.get(zone.band, 1)
            color = _COLOR[zone.band]
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
                text.write(line, start + 8, int((row + 1) * 34 * text.scale + 8), color)
        self._draw_footer(canvas, text, scene, cue)
        rows, columns = self.size[0] - height, self.size[1] - width
        if rows or columns:
            top, side = rows // 2, columns // 2
            canvas = cv2.copyMakeBorder(
                canvas, top, rows - top, side, columns - side, cv2.BORDER_CONSTANT
            )
        return np.asarray(canvas, np.uint8)

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

    def _draw_footer(self, canvas: RgbImage, text: "_Text", scene: Scene, cue: Cue | None) -> None:
        height, width = canvas.shape[:2]
        words = [scene.state.value]
        if scene.reason is not None:
            words.append(scene.reason.value.replace("_", " "))
        if scene.drop_off:
            words.append("POSSIBLE DROP")
        text.write(f"{scene.t:6.1f} s", 8, height - 12)
        text.write("  ".join(words), 8 + int(140 * text.scale), height - 12)
        y = height - int(44 * text.scale) - 12
        if cue is not None and cue.kind is not CueKind.SILENCE:
            x = int((cue.pan + 1) / 2 * (width - 1))
            radius = int(8 + 10 * text.scale)
            cv2.circle(canvas, (x, y - radius), radius, _BLACK, -1)
            cv2.circle(canvas, (x, y - radius), radius - 3, _WHITE, -1)
            sound = cue.earcon or (
                f"{cue.rate_hz:.1f}/s" if cue.kind is CueKind.PULSE else cue.kind.value
            )
            text.write(sound, min(x, width - 120) + 4, y + 4)
        if scene.t < self._caption_end_t:
            text.write(f'"{self._caption}"', 8, y - int(40 * text.scale))


class _Text:
    """Writes onto a canvas in letters of a size that fits it."""

    def __init__(self, canvas: RgbImage) -> None:
        self._canvas = canvas
        self.scale = max(0.4, min(canvas.shape[:2]) / 700)

    def write(self, text: str, x: int, y: int, color: tuple[int, int, int] = _WHITE) -> None:
        """``text`` with its baseline at ``y`` and a dark rim, readable on any frame."""
        # Not one thicker black stroke: that is wider too, and slips along the line.
        for dx, dy, ink in (*((dx, dy, _BLACK) for dx in (-1, 1) for dy in (-1, 1)), (0, 0, color)):
            place, font = (x + dx, y + dy), cv2.FONT_HERSHEY_SIMPLEX
            cv2.putText(self._canvas, text, place, font, self.scale, ink, 1, cv2.LINE_AA)


def _fitted(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """(height, width) of an image of (height, width) made to fit into (high, wide).

    A difference of a pixel or two, which comes from rounding to even numbers, is filled.
    """
    scale = min(high / height, wide / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return (high if high - rows <= 2 else rows, wide if wide - columns <= 2 else columns)
