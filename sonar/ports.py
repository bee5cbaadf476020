"""The protocols that :mod:`sonar.pipeline` knows. Concrete classes are wired in app.py."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from sonar.types import Cue, DepthMap, Frame, Reason, Scene


class Clock(Protocol):
    """See :mod:`sonar.clock`."""

    def now(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    def wall(self) -> float: ...


@runtime_checkable
class FrameSource(Protocol):
    """Where frames come from."""

    label: str  # for people and logs; credentials never appear in it
    live: bool  # cameras and streams: newest frame wins, monotonic time; else every frame

    @property
    def frame_count(self) -> int | None: ...
    @property
    def rate_hz(self) -> float | None: ...
    @property
    def dropped(self) -> int: ...  # captured but never handed out

    def open(self) -> None:
        """Raises SourceError or DeviceError when it cannot be opened. May be tried again."""

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame; None at the end of a recording.

        Raises SourceTimeout when nothing came in time (call again: it may recover), SourceLost when
        it is gone for good, SourceError when a recording is damaged.
        """

    def close(self) -> None:
        """Safe to call twice and after a failed open; returns within about a second."""


class DepthBackend(Protocol):
    """Runs a network on one tensor."""

    name: str  # "onnx", "openvino", "torch"
    precision: str  # "fp32", "int8"

    def run(self, tensor: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        """``tensor`` float32 (1, 3, H, W) -> outputs by name, batch kept. Raises DepthError."""

    def close(self) -> None: ...


class Engine(Protocol):
    """Frame in, depth map out: preprocess, backend, checks."""

    label: str

    def warm_up(self, height: int, width: int) -> None:
        """Run until timings settle for frames of this size; called before "ready"."""

    def estimate(self, frame: Frame) -> DepthMap:
        """Raises DepthError when the network fails or gives NaN or a constant."""

    def close(self) -> None: ...


class ZoneAnalyzer(Protocol):
    """Depth in, scene out; keeps its state between frames."""

    def update(self, depth: DepthMap, frame: Frame) -> Scene: ...
    def lost(self, frame_id: int, t: float, reason: Reason) -> Scene:
        """No evidence at ``t``: every band UNKNOWN; smoothed state is aged, not kept fresh."""


class CueMapper(Protocol):
    """Scene in, the one cue to be heard out; keeps what was announced and when."""

    def update(self, scene: Scene) -> Cue: ...


class Speaker(Protocol):
    """Phrases as sound, rendered ahead; asking never blocks."""

    def get(self, phrase: str) -> NDArray[np.float32] | None:
        """Mono float32 samples at the mixer's rate, or None when not (yet) there."""

    def text(self, phrase: str) -> str:
        """The words of a phrase key, in the configured language."""

    def close(self) -> None: ...


class Spoken(NamedTuple):
    """A phrase, a key into the speech catalogue, and when it began, in seconds of sound."""

    t: float
    phrase: str


@dataclass(frozen=True, slots=True, eq=False)
class SinkStatus:
    """How a sink does; None where that cannot be known.

    ``ages_s``: seconds from a frame's capture to the first sample that carries its change, of the
    last changes; empty where it is not measured.
    """

    note: str | None = None  # what the user must hear of
    lost: bool = False  # the device is gone and looked for
    gaps: int | None = None  # how often the sound broke off
    reopened: int | None = None  # how often the device was regained
    ages_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


class AudioSink(Protocol):
    """Where the mixed sound goes: device, file or nowhere."""

    label: str

    @property
    def status(self) -> SinkStatus:
        """How it does at present; from any thread."""

    def spoken(self) -> Sequence[Spoken]:
        """Phrases that began to sound since the last call; what was posted may be dropped."""

    def start(self) -> None:
        """Raises DeviceError or OutputError."""

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; never blocks."""

    def advance(self, t: float) -> None:
        """Offline sinks render up to ``t`` seconds since start; live ones return at once."""

    def drain(self, limit_s: float) -> None:
        """Let one-shot sounds and speech end, in at most ``limit_s``: wait, or render."""

    def close(self) -> None:
        """Fade out, stop, release; safe to call twice."""
