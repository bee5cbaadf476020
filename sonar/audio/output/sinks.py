"""What sinks share: without a mixer, in media time, in real time; and the one nobody hears.

Their methods are those of :class:`sonar.ports.AudioSink`.
"""

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis import Mixer
from sonar.errors import SourceError
from sonar.ports import Clock, SinkStatus, Spoken
from sonar.threads import GuardedThread
from sonar.types import Cue

OnBlock = Callable[[NDArray[np.float32]], None]

BLOCK_SIZE = 480  # samples: 10 ms at 48 kHz
LONGEST_BLOCK = 4800
LONGEST_GAP_S = 3600.0  # between two frames; more is a clock that jumped, not a recording
_FADE_OUT_S = 0.03
_LATE_S = 1.0  # further behind than this (the machine slept), the schedule starts anew
_KEPT = 8192  # ages


class UnheardSink:
    """Takes cues and drops them, for runs whose steps are all that is wanted."""

    label = "no sound"

    @property
    def status(self) -> SinkStatus:
        return SinkStatus()

    def spoken(self) -> Sequence[Spoken]:
        return ()

    def start(self) -> None: ...
    def post(self, cue: Cue) -> None: ...
    def advance(self, t: float) -> None: ...
    def drain(self, limit_s: float) -> None: ...
    def close(self) -> None: ...


class MixerSink(UnheardSink):
    """Base of the sinks that render what a mixer makes of the cues."""

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer

    def spoken(self) -> Sequence[Spoken]:
        return self._mixer.spoken()

    def post(self, cue: Cue) -> None:
        self._mixer.post(cue)


class OfflineSink(MixerSink):
    """Base of sinks without a clock: ``advance`` renders, ``_write`` keeps.

    Args:
        mixer: what to render.
        on_block: called with each rendered block, float32 ``(n, 2)``; valid during the call.
    """

    def __init__(self, mixer: Mixer, on_block: OnBlock | None = None) -> None:
        super().__init__(mixer)
        self._on_block = on_block
        self._buffer = np.zeros((LONGEST_BLOCK, 2), np.float32)
        self._open = False

    def start(self) -> None:
        self._open = True

    def advance(self, t: float) -> None:
        """Render until ``t`` seconds since start, exactly; earlier times do nothing.

        Raises OutputError when it cannot be written, SourceError when ``t`` jumps by more than
        :data:`LONGEST_GAP_S`: a broken time stamp may ask for years of silence.
        """
        if not self._open:
            return
        done_s = self._mixer.rendered / self._mixer.rate_hz
        if not t - done_s <= LONGEST_GAP_S:  # NaN too
            raise SourceError(
                f"the recording's time stamps jump by {(t - done_s) / 3600:.3g} hours after "
                f"{done_s:.1f} s; what came before is done"
            )
        self._render_to(round(t * self._mixer.rate_hz))

    def drain(self, limit_s: float) -> None:
        last = self._mixer.rendered + round(limit_s * self._mixer.rate_hz)
        step = self._mixer.rate_hz // 100
        while self._open and self._mixer.busy and self._mixer.rendered < last:
            self._render_to(min(last, self._mixer.rendered + step))

    def close(self) -> None:
        """Fade out over 30 ms and finish. Raises OutputError, once, when that failed."""
        if not self._open:
            return
        try:
            self._mixer.fade_out()
            self._render_to(self._mixer.rendered + round(_FADE_OUT_S * self._mixer.rate_hz))
        finally:
            self._open = False
            self._finish()

    def _render_to(self, sample: int) -> None:
        while self._open and self._mixer.rendered < sample:
            block = self._buffer[: min(LONGEST_BLOCK, sample - self._mixer.rendered)]
            self._mixer.render(block)
            self._write(block)
            if self._on_block is not None:
                self._on_block(block)

    @abstractmethod
    def _write(self, block: NDArray[np.float32]) -> None:
        """Keep one rendered block, float32 ``(n, 2)``; it is reused after the call."""

    def _finish(self) -> None:
        """Release what :meth:`start` took."""


class LiveSink(MixerSink):
    """Base of the sinks that render in real time, in a thread of their own.

    Attributes:
        note, lost, reopened: see :class:`sonar.ports.SinkStatus`.
        xruns: gaps in the sound.
        latency_s: from rendering to the ear, as the device expects it.
    """

    def __init__(self, mixer: Mixer, clock: Clock, note: str | None = None) -> None:
        super().__init__(mixer)
        self.note, self.lost = note, False
        self.xruns = self.reopened = 0
        self.latency_s = 0.0
        self._ages, self._count = np.zeros(_KEPT), 0
        self._clock = clock
        self._closing = threading.Event()
        self._thread: GuardedThread | None = None

    @property
    def status(self) -> SinkStatus:
        return SinkStatus(self.note, self.lost, self.xruns, self.reopened, self.ages_since(0)[1])

    def ages_since(self, count: int) -> tuple[int, NDArray[np.float64]]:
        """How many changes were heard so far, and of the newest after the first ``count`` the
        seconds from a frame's capture to the first sample that carries the change."""
        now = self._count
        return now, self._ages[np.arange(max(count, now - _KEPT), now) % _KEPT]

    def _heard(self, block_sample: int, heard_at_s: float) -> None:
        """A block was rendered whose first sample is heard at ``heard_at_s`` on the clock that the
        frames' times are on."""
        while self._mixer.onsets:
            onset = self._mixer.onsets.popleft()
            if onset.frame_id >= 0:
                into_s = (onset.sample - block_sample) / self._mixer.rate_hz
                self._ages[self._count % _KEPT] = heard_at_s + into_s - onset.t
                self._count += 1

    def drain(self, limit_s: float) -> None:
        deadline = self._clock.now() + limit_s
        while self._thread and self._mixer.busy and not self.lost and self._clock.now() < deadline:
            self._clock.sleep(0.01)
        self._clock.sleep(min(self.latency_s, max(0.0, deadline - self._clock.now())))

    def _start(self, name: str, work: Callable[[], None]) -> None:
        self._thread = GuardedThread(name, work, announce=self._announce, clock=self._clock)
        self._thread.start()

    def _stop(self, limit_s: float) -> None:
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(limit_s)

    def _announce(self, problem: str, gave_up: bool) -> None:
        """Nobody renders or watches the device any more: for the supervisor it is lost."""
        self.note, self.lost = problem, self.lost or gave_up


class NullSink(LiveSink):
    """Renders in real time and throws the sound away.

    It is used where there is no sound card, and measures frame-to-sound ages where one
    should not matter. Its clock must run by itself (:class:`~sonar.clock.SystemClock`). A gap is a
    block that was not rendered in time; the sound counts as heard when its block is due.
    """

    label = "no sound output"

    def start(self) -> None:
        if self._thread is None:
            self._start("sonar-null", self._run)

    def close(self) -> None:
        self._stop(limit_s=1.0)

    def _run(self) -> None:
        block = np.zeros((BLOCK_SIZE, 2), np.float32)
        period_s = BLOCK_SIZE / self._mixer.rate_hz
        due = self._clock.now()
        while not self._closing.is_set():
            first = self._mixer.rendered
            self._mixer.render(block)
            due += period_s
            now = self._clock.now()
            self._heard(first, max(now, due))
            self.xruns += now > due + period_s
            if now > due + _LATE_S:
                due = now
            self._clock.sleep(due - now)
