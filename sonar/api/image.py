"""One image."""

from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from sonar.api.session import Session
from sonar.api.settings import Settings, configured
from sonar.config import MountConfig
from sonar.ports import Engine, FrameSource
from sonar.records import Step
from sonar.types import Frame, RgbImage


def look(
    image: str | PathLike[str] | RgbImage | Any,
    model: str | PathLike[str] | None = None,
    mount: MountConfig | None = None,
    *,
    engine: Engine | None = None,
    settings: Settings | None = None,
) -> Step:
    """What sonar sees in one image, and the cue that it would be heard as.

    Args:
        image: a path, a PIL image, or a uint8 array of shape ``(H, W, 3)``, RGB.
        model: a model's name, or the path of a model file; the built-in model by default.
        mount: where the camera sits; distances in meters need its height.
        engine: an open :class:`DepthEngine` to use instead of ``model``; it stays open.
        settings: settings by dotted name.

    Returns:
        The step: ``frame``, ``depth``, ``scene`` and ``cue``. ``depth`` is None, and every band
        unknown, where the network failed.

    Raises:
        SourceError: the file is missing, damaged, or no image.
        ValueError: the array is no such image.
        ModelError: the model is not installed, or its file is damaged.
        ConfigError: a setting is wrong.

    Examples:
        >>> import numpy as np, sonar
        >>> noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
        >>> step = sonar.look(noise, mount=sonar.Mount(height_m=1.4))
        >>> step.scene.center.side, step.frame.image.shape
        (<Side.CENTER: 'center'>, (48, 64, 3))
    """
    given = _path_or_array(image)
    source: FrameSource
    if isinstance(given, Path):
        from sonar.capture import ImageSource

        source = ImageSource.of_file(given, animations=False)
    else:
        source = _Still(given)
    with Session(source, configured(model, mount, settings), engine=engine) as session:
        *_, last = session
    return last


class _Still:
    """An image in memory, seen as often as one in a file."""

    label, live, dropped = "image", False, 0
    frame_count: int | None
    rate_hz: float | None

    def __init__(self, image: RgbImage) -> None:
        from sonar.capture.images import STILL_FRAMES, STILL_RATE_HZ

        self.frame_count, self.rate_hz = STILL_FRAMES, STILL_RATE_HZ
        self._frames = [
            Frame(image, number, number / STILL_RATE_HZ, 1.0 / STILL_RATE_HZ)
            for number in range(STILL_FRAMES)
        ]

    def open(self) -> None:
        """It is open."""

    def read(self, timeout_s: float) -> Frame | None:
        return self._frames.pop(0) if self._frames else None

    def close(self) -> None:
        """Nothing to release."""


def _path_or_array(image: Any) -> Path | RgbImage:
    if isinstance(image, np.ndarray):
        return image
    try:
        return Path(fspath(image))
    except TypeError:
        pass
    if not hasattr(image, "convert"):
        raise ValueError("an image is a path, a PIL image, or a uint8 array (H, W, 3), RGB")
    array: RgbImage = np.asarray(image.convert("RGB"), np.uint8)  # a PIL image, of any mode
    return array
