"""A depth network to call with an image."""

from os import PathLike
from types import TracebackType

from sonar.api.settings import Settings, configured
from sonar.ports import Engine
from sonar.types import DepthMap, Frame, RgbImage


class DepthEngine:
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

    def __enter__(self) -> "DepthEngine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Borrowed:
    """An engine of the caller's, which a run must not close."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.label = inner.label

    def warm_up(self, height: int, width: int) -> None:
        self._inner.warm_up(height, width)

    def estimate(self, frame: Frame) -> DepthMap:
        return self._inner.estimate(frame)

    def close(self) -> None:
        """The caller closes it."""
