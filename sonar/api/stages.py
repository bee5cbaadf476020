"""The stages one by one: the depth network, the zones, the sound."""

import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import pairwise
from os import PathLike
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from sonar.config import MountConfig, SonarConfig
from sonar.errors import ConfigError
from sonar.ports import Engine, Speaker
from sonar.types import Cue, DepthMap, Frame, Reason, RgbImage, Scene
from sonar.zones import DepthZones

STEP_S = 0.1  # between two maps for which no time is given
HOLD_S = 0.1  # a cue is handed over again as often, as it is for each frame of a slow camera
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
        """The depth map of ``image``, a uint8 array of shape ``(H, W, 3)``, RGB.

        It is at the network's resolution; ``kind`` says what its values mean. Raises ValueError
        for an array that is no such image, and DepthError when the network failed.
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


class Zones:
    """What is near on the left, in the center and on the right: depth map in, scene out.

    It keeps what it saw from map to map, so use one object for each camera.

    Args:
        mount: where the camera sits; distances in meters need its height.
        settings: settings by dotted name, such as ``{"zones.bands.stop_m": 0.8}``.

    Raises ConfigError for a wrong setting.

    Examples:
        >>> import numpy as np, sonar
        >>> rows = np.linspace(0.0, 1.0, 96, dtype=np.float32)
        >>> ground = sonar.DepthMap(np.repeat(rows[:, None], 128, axis=1))
        >>> zones = sonar.Zones(mount=sonar.Mount(height_m=1.4, pitch_deg=10))
        >>> for _ in range(5):  # a free zone is clear after a quarter of a second
        ...     scene = zones(ground)
        >>> [zone.band.value for zone in scene.zones]
        ['clear', 'clear', 'clear']
    """

    def __init__(
        self, mount: MountConfig | None = None, *, settings: Settings | None = None
    ) -> None:
        config = configured(None, mount, settings)
        self._zones = DepthZones(config.zones, config.mount)
        self._next_id, self._t = 0, -STEP_S

    def __call__(
        self, depth: DepthMap, image: RgbImage | None = None, t: float | None = None
    ) -> Scene:
        """The scene at one more map.

        Args:
            depth: the map, at any resolution.
            image: uint8 ``(H, W, 3)`` RGB. With it, one in which nothing can be seen (dark,
                covered, blurred, frozen) gives an unknown scene; without it the map's own shape
                is taken for the image's.
            t: seconds; must not decrease. 0.1 s after the last one where it is not given.
        """
        self._t = self._t + STEP_S if t is None else t
        frame_id, self._next_id = self._next_id, self._next_id + 1
        if image is not None:
            return self._zones.update(depth, Frame(image, frame_id, self._t))
        height, width = depth.values.shape
        return self._zones.update_map(depth, frame_id, (height, width), self._t)

    def lost(self, reason: Reason = Reason.STALE, t: float | None = None) -> Scene:
        """The scene at a time for which there is no map: every band is unknown."""
        self._t = self._t + STEP_S if t is None else t
        return self._zones.lost(self._next_id - 1, self._t, reason)


def render(
    cues: Iterable[Cue],
    rate_hz: int = 48_000,
    *,
    last_s: float = 1.0,
    speaker: Speaker | None = None,
    settings: Settings | None = None,
) -> NDArray[np.float32]:
    """What would be heard: each cue from its time ``t`` until the next one.

    Args:
        cues: in order of ``t`` (seconds); those of a recording's steps, or your own.
        rate_hz: samples per second, 44100 or 48000.
        last_s: seconds for which the last cue is heard.
        speaker: where phrases come from; None for tones only.
        settings: settings by dotted name, such as ``{"audio.mono": True}``.

    Returns:
        float32 array of shape ``(n, 2)``, left and right, within [-1, 1]; empty without cues.

    Raises ConfigError for a wrong setting, ValueError for an earcon that does not exist or times
    that decrease.

    Examples:
        >>> import numpy as np, sonar
        >>> left = sonar.Cue(sonar.CueKind.PULSE, pan=-1.0, rate_hz=4.0, pitch_hz=800.0)
        >>> samples = sonar.render([left], rate_hz=48_000)
        >>> samples.shape, samples.dtype
        ((48000, 2), dtype('float32'))
        >>> loud = np.abs(samples).max(axis=0)
        >>> bool(loud[0] > 5 * loud[1])
        True
    """
    from sonar.audio.synthesis import Mixer

    given = list(cues)
    if not given:
        return np.zeros((0, 2), np.float32)
    if any(after.t < before.t for before, after in pairwise(given)):
        raise ValueError("the times of cues must not decrease")
    config = configured(None, None, {**(settings or {}), "audio.rate_hz": rate_hz})
    mixer = Mixer(config.audio, config.speech, speaker)
    begin = given[0].t
    ends = [cue.t - begin for cue in given[1:]] + [given[-1].t - begin + last_s]
    out = np.zeros((round(ends[-1] * rate_hz), 2), np.float32)
    for cue, end in zip(given, ends, strict=True):
        mixer.post(cue)
        again = replace(cue, phrase=None)  # a phrase is spoken once
        last = round(end * rate_hz)
        while mixer.rendered < last:
            count = min(last - mixer.rendered, round(HOLD_S * rate_hz))
            mixer.render(out[mixer.rendered : mixer.rendered + count])
            mixer.post(again)
    return out


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

    given = dict(settings or {}) if model is None else {**(settings or {}), "engine.model": model}
    overrides = [
        f"{key}={value if isinstance(value, str | PathLike) else json.dumps(value)}"
        for key, value in given.items()
    ]
    try:
        config = load_config(None, overrides, {})
    except ConfigError as error:  # nobody typed it on a command line
        raise ConfigError(str(error).replace("--set ", "")) from None
    return config if mount is None else config.model_copy(update={"mount": mount})
