"""Sound in media time: rendered as far as asked, to the sample, as fast as the machine can."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis import Mixer
from sonar.errors import SourceError
from sonar.ports import SinkStatus, Spoken
from sonar.types import Cue

OnBlock = Callable[[NDArray[np.float32]], None]

LONGEST_BLOCK = 4800
LONGEST_GAP_S = 3600.0  # between two frames; more is a clock that leapt, not a recording
_FADE_OUT_S = 0.03


class OfflineSink(ABC):
    """Base of sinks without a clock: ``advance`` renders, ``_write`` keeps.

    Args:
        mixer: what to render.
        on_block: called with each rendered block, float32 ``(n, 2)``; valid during the call.
    """

    label = "offline"

    def __init__(self, mixer: Mixer, on_block: OnBlock | None = None) -> None:
        self._mixer, self._on_block = mixer, on_block
        self._buffer = np.zeros((LONGEST_BLOCK, 2), np.float32)
        self._open = False

    @property
    def status(self) -> SinkStatus:
        """Nothing can go wrong unnoticed."""
        return SinkStatus()

    def spoken(self) -> list[Spoken]:
        """Phrases that began to sound since the last call."""
        return self._mixer.spoken()

    def start(self) -> None:
        """Raises OutputError when there is nowhere to write to."""
        self._open = True

    def post(self, cue: Cue) -> None:
        """Heard from where :meth:`advance` has come to."""
        self._mixer.post(cue)

    def advance(self, t: float) -> None:
        """Render until ``t`` seconds since start, exactly; earlier times do nothing.

        Raises OutputError when it cannot be written, SourceError when ``t`` leaps by more than
        :data:`LONGEST_GAP_S`: a broken time stamp may ask for years of silence.
        """
        if not self._open:
            return
        done_s = self._mixer.rendered / self._mixer.rate_hz
        if not t - done_s <= LONGEST_GAP_S:  # NaN too
            raise SourceError(
                f"the recording's time stamps leap by {(t - done_s) / 3600:.3g} hours after "
                f"{done_s:.1f} s; what came before is done"
            )
        self._render_to(round(t * self._mixer.rate_hz))

    def drain(self, limit_s: float) -> None:
        """Render until one-shot sounds and speech have ended, at most ``limit_s``."""
        last = self._mixer.rendered + round(limit_s * self._mixer.rate_hz)
        step = self._mixer.rate_hz // 100
        self._render_to(min(last, self._mixer.rendered + step))  # takes what was just posted
        while self._open and self._mixer.busy and self._mixer.rendered < last:
            self._render_to(min(last, self._mixer.rendered + step))

    def close(self) -> None:
        """Fade out over 30 ms and finish. Raises OutputError, once, when that failed."""
        if not self._open:
            return
        try:
            self._mixer.fade_out()
            more = round(_FADE_OUT_S * self._mixer.rate_hz)
            self._render_to(self._mixer.rendered + more)
        finally:
            self._open = False
            self._finish()

    def _render_to(self, sample: int) -> None:
        while self._open and self._mixer.rendered < sample:
            count = min(LONGEST_BLOCK, sample - self._mixer.rendered)
            block = self._buffer[:count]
            self._mixer.render(block)
            self._write(block)
            if self._on_block is not None:
                self._on_block(block)

    @abstractmethod
    def _write(self, block: NDArray[np.float32]) -> None:
        """Keep one rendered block, float32 ``(n, 2)``; it is reused after the call."""

    def _finish(self) -> None:  # noqa: B027 - to override where there is something
        """Release what :meth:`start` took."""
