"""Sources that follow a script: for tests of sonar, and of what people build on it."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

import numpy as np

from sonar.clock import ManualClock
from sonar.errors import SourceLost, SourceTimeout
from sonar.ports import Clock
from sonar.types import Frame, RgbImage


@dataclass(frozen=True, slots=True)
class Delay:
    """Nothing comes for ``seconds`` (``math.inf``: nothing ever again)."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """``read`` blocks, whatever its timeout, until ``close``, or ``limit_s`` of real time."""

    limit_s: float = 30.0


ScriptItem = RgbImage | Frame | Exception | Delay | Hang


class ScriptedSource:
    """A :class:`sonar.ports.FrameSource` that does what its script says, on an injected clock.

    A uint8 array ``(H, W, 3)`` of the script becomes a frame with the next id; a ``Frame`` is given
    as it is; an exception is raised by ``read`` once; ``Delay`` is silence, ``Hang`` blocks.

    A recording (``live=False``) hands out every item; an array's ``t`` is its number divided by
    ``rate_hz``, and a ``Delay`` moves the clock. A live source captures one frame every
    ``1 / rate_hz`` seconds of ``clock`` from ``open`` on, stamps it with that instant, keeps the
    newest and counts the others as dropped; ``read`` sleeps on ``clock`` until the next is due
    and raises SourceTimeout where that is later than its timeout.

    Args:
        script: see above.
        live: camera-like or recording-like.
        clock: ManualClock by default.
        rate_hz: frames a second, > 0.
        then: after the script: ``end`` (None), ``lost`` (SourceLost) or ``silence``
            (SourceTimeout for ever).
        open_errors: raised by the first calls of ``open``, one each.

    Attributes:
        opens, closes: how often each was called.
        dropped: frames of a live source that a newer one replaced.

    >>> import numpy as np
    >>> from sonar.errors import SourceTimeout
    >>> image = np.zeros((48, 64, 3), np.uint8)
    >>> camera = ScriptedSource([image, Delay(2.0), image], live=True, rate_hz=10)
    >>> camera.open()
    >>> camera.read(0.5).t
    0.0
    >>> try:
    ...     camera.read(0.5)
    ... except SourceTimeout as error:
    ...     print(error)
    scripted gave no frame in time.
    """

    label = "scripted"

    def __init__(
        self,
        script: Iterable[ScriptItem],
        *,
        live: bool = False,
        clock: Clock | None = None,
        rate_hz: float = 30.0,
        then: Literal["end", "lost", "silence"] = "end",
        open_errors: Sequence[Exception] = (),
    ) -> None:
        if not rate_hz > 0:
            raise ValueError("ScriptedSource.rate_hz must be > 0")
        self.live, self.rate_hz = live, rate_hz
        self.opens = self.closes = self.dropped = 0
        self._script: list[ScriptItem] = list(script)
        self._clock: Clock = clock or ManualClock()
        self._then, self._open_errors = then, list(open_errors)
        self._closed = threading.Event()
        self._index = self._next_id = 0
        self._due = 0.0  # live: when the next item happens

    @property
    def frame_count(self) -> int | None:
        """Frames in the script of a recording, None when live."""
        frames = [item for item in self._script if isinstance(item, np.ndarray | Frame)]
        return None if self.live else len(frames)

    def open(self) -> None:
        """Start the script (a recording from its beginning); raises the next of ``open_errors``."""
        self.opens += 1
        if self._open_errors:
            raise self._open_errors.pop(0)
        self._closed.clear()
        self._due = self._clock.now()
        if not self.live:
            self._index = self._next_id = 0

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame as the script has it."""
        deadline = self._clock.now() + timeout_s
        newest: Frame | None = None
        while self._index < len(self._script):
            item = self._script[self._index]
            if isinstance(item, Delay):
                self._index += 1
                self._due += item.seconds
                if not self.live:
                    self._clock.sleep(item.seconds)
                continue
            if self.live and self._due > self._clock.now():
                if newest is not None:
                    return newest
                if self._due > deadline:
                    self._time_out(deadline)
                self._clock.sleep(self._due - self._clock.now())
            if newest is not None and isinstance(item, Exception | Hang):
                return newest
            self._index += 1
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Hang):
                self._closed.wait(item.limit_s)
                continue
            self.dropped += newest is not None
            newest = self._frame(item)
            if not self.live:
                return newest
            self._due += 1.0 / self.rate_hz
        if newest is None and self._then == "lost":
            raise SourceLost(f"{self.label} is gone.")
        if newest is None and self._then == "silence":
            self._time_out(deadline)
        return newest

    def close(self) -> None:
        """Also releases a ``Hang``."""
        self.closes += 1
        self._closed.set()

    def _frame(self, item: RgbImage | Frame) -> Frame:
        t = self._due if self.live else self._next_id / self.rate_hz
        frame = item if isinstance(item, Frame) else Frame(item, self._next_id, t)
        self._next_id = frame.id + 1
        return frame

    def _time_out(self, deadline: float) -> NoReturn:
        self._clock.sleep(deadline - self._clock.now())
        raise SourceTimeout(f"{self.label} gave no frame in time.")
