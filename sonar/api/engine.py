"""A depth network to call with an image, and the configuration that the public functions make."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from os import PathLike
from types import SimpleNamespace
from typing import Any, cast

from sonar.config import MountConfig, SonarConfig
from sonar.ports import Engine
from sonar.types import DepthMap, Frame, RgbImage

Settings = Mapping[str, Any]


class DepthEngine(AbstractContextManager["DepthEngine"]):
    """A depth network: RGB image in, depth map out.

    Args:
        model: a name that ``sonar models list`` shows, or the path of an ``.onnx`` file.
        settings: settings by dotted name, such as ``{"engine.threads": 2}``.

    Attributes:
        label: model, backend and precision.

    Raises:
        ModelError: the model is not installed, or its file is damaged.
        ConfigError: a setting is wrong, or an optional extra is missing.

    Examples:
        >>> import numpy as np, sonar
        >>> with sonar.DepthEngine("builtin") as engine:
        ...     depth = engine(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
        >>> depth.kind, depth.model, depth.values.dtype
        (<DepthKind.RELATIVE_INVERSE: 'relative_inverse'>, 'builtin', dtype('float32'))
    """

    def __init__(
        self, model: str | PathLike[str] = "builtin", *, settings: Settings | None = None
    ) -> None:
        from sonar import app

        self._engine = app.open_engine(configured(model, None, settings))
        self.label = self._engine.label

    def __call__(self, image: RgbImage) -> DepthMap:
        """The depth map of an image.

        Args:
            image: uint8 array of shape ``(H, W, 3)``, RGB.

        Returns:
            The map at the network's resolution; ``kind`` says what its values mean.

        Raises:
            ValueError: the array is no such image.
            DepthError: the network failed.
        """
        return self.estimate(Frame(image, 0, 0.0))

    def warm_up(self, height: int, width: int) -> None:
        """Run until timings settle for images of this size (pixels)."""
        self._engine.warm_up(height, width)

    def estimate(self, frame: Frame) -> DepthMap:
        """The depth map of a frame. Raises DepthError when the network failed."""
        return self._engine.estimate(frame)

    def close(self) -> None:
        """Release the network; safe to call twice."""
        self._engine.close()

    def __exit__(self, *_error: object) -> None:
        self.close()


def borrowed(engine: Engine) -> Engine:
    """``engine``, which is the caller's, for a run that must not close it."""
    same = {name: getattr(engine, name) for name in ("label", "warm_up", "estimate")}
    return cast(Engine, SimpleNamespace(**same, close=lambda: None))


def configured(
    model: str | PathLike[str] | None,
    mount: MountConfig | None,
    settings: Settings | None,
) -> SonarConfig:
    """The defaults with what was asked for; files and environment variables are not read.

    Raises ConfigError for a setting that does not exist, or a value that is not allowed.
    """
    from sonar.config.load import load_config

    overrides = [f"{key}={json.dumps(value)}" for key, value in (settings or {}).items()]
    if model is not None:
        overrides.append(f"engine.model={json.dumps(str(model))}")
    config = load_config(None, overrides, {})
    return config if mount is None else config.model_copy(update={"mount": mount})
