"""Sources that follow a script: for tests of sonar, and of what people build on it."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

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
    """``read`` breaks its promise and blocks, whatever its timeout, until ``close``.

    The wait is real time, not the clock's, and ends after ``limit_s`` so no test hangs for ever.
    """

    limit_s: float = 30.0


ScriptItem = RgbImage | Frame | Exception | Delay | Hang


class ScriptedSource:
    """A :class:`sonar.ports.FrameSource` that does what its script says, on an injected clock.

    Script items, in order:

    - uint8 array ``(H, W, 3)``: becomes a frame with the next id;
    - ``Frame``: handed out as it is (its own ``id`` and ``t``);
    - exception: raised by ``read`` once, then the script goes on;
    - ``Delay``: silence; ``Hang``: ``read`` blocks.

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
        label: as in FrameSource.

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

    def __init__(
        self,
        script: Iterable[ScriptItem],
        *,
        live: bool = False,
        clock: Clock | None = None,
        rate_hz: float = 30.0,
        then: Literal["end", "lost", "silence"] = "end",
        open_errors: Sequence[Exception] = (),
        label: str = "scripted",
    ) -> None:
        if not rate_hz > 0:
            raise ValueError("ScriptedSource.rate_hz must be > 0")
        self.label = label
        self.live = live
        self.opens = 0
        self.closes = 0
        self._script: list[ScriptItem] = list(script)
        self._clock: Clock = clock if clock is not None else ManualClock()
        self._rate_hz = rate_hz
        self._then = then
        self._open_errors = list(open_errors)
        self._closed = threading.Event()
        self._index = 0  # next item of the script
        self._next_id = 0
        self._dropped = 0
        self._due = 0.0  # live: when the next item happens

    @property
    def frame_count(self) -> int | None:
        """Pictures in the script for a recording, None when live."""
        if self.live:
            return None
        return sum(1 for item in self._script if not isinstance(item, Exception | Delay | Hang))

    @property
    def rate_hz(self) -> float | None:
        """As given."""
        return self._rate_hz

    @property
    def dropped(self) -> int:
        """Live frames that a newer one replaced."""
        return self._dropped

    def open(self) -> None:
        """Start the script (a recording from its beginning); raises the next of ``open_errors``."""
        self.opens += 1
        if self._open_errors:
            raise self._open_errors.pop(0)
        self._closed.clear()
        if self.live:
            self._due = self._clock.now()
        else:
            self._index = self._next_id = 0

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame as the script has it."""
        return self._read_live(timeout_s) if self.live else self._read_recording(timeout_s)

    def close(self) -> None:
        """Also releases a ``Hang``."""
        self.closes += 1
        self._closed.set()

    def _read_recording(self, timeout_s: float) -> Frame | None:
        while self._index < len(self._script):
            item = self._script[self._index]
            self._index += 1
            if isinstance(item, Delay):
                self._clock.sleep(item.seconds)
            elif isinstance(item, Hang):
                self._closed.wait(item.limit_s)
            elif isinstance(item, Exception):
                raise item
            else:
                return self._frame(item, self._next_id / self._rate_hz)
        return self._after(timeout_s)

    def _read_live(self, timeout_s: float) -> Frame | None:
        deadline = self._clock.now() + timeout_s
        newest: Frame | None = None
        while self._index < len(self._script):
            item = self._script[self._index]
            if isinstance(item, Delay):
                self._due += item.seconds
            elif self._due > self._clock.now():
                if newest is not None:
                    return newest
                if self._due > deadline:
                    break
                self._clock.sleep(self._due - self._clock.now())
                continue
            elif isinstance(item, Exception | Hang):
                if newest is not None:
                    return newest
                self._index += 1
                if isinstance(item, Exception):
                    raise item
                self._closed.wait(item.limit_s)
                continue
            else:
                self._dropped += newest is not None
                newest = self._frame(item, self._due)
                self._due += 1.0 / self._rate_hz
            self._index += 1
        if newest is not None:
            return newest
        if self._index < len(self._script):
            return self._silence(deadline)
        return self._after(timeout_s)

    def _frame(self, item: RgbImage | Frame, t: float) -> Frame:
        frame = item if isinstance(item, Frame) else Frame(item, self._next_id, t)
        self._next_id = frame.id + 1
        return frame

    def _silence(self, deadline: float) -> Frame | None:
        self._clock.sleep(deadline - self._clock.now())
        raise SourceTimeout(f"{self.label} gave no frame in time.")

    def _after(self, timeout_s: float) -> Frame | None:
        if self._then == "lost":
            raise SourceLost(f"{self.label} is gone.")
        if self._then == "silence":
            return self._silence(self._clock.now() + timeout_s)
        return None
