"""Sound that nobody hears, at the pace at which it would be heard."""

import threading

import numpy as np

from sonar.audio.output.timing import AgeLog
from sonar.audio.synthesis import Mixer
from sonar.ports import Clock, SinkStatus, Spoken
from sonar.threads import GuardedThread
from sonar.types import Cue

_PATIENCE_S = 1.0
_LATE_S = 1.0  # further behind than this (the machine slept), the schedule starts anew


class NullSink:
    """Renders in real time and throws the sound away.

    It stands in where there is no sound card, and measures frame-to-sound ages where one
    should not matter. Its clock must run by itself (:class:`~sonar.clock.SystemClock`).

    Attributes:
        note: what the user must know, or None.
        xruns: blocks that were not rendered in time.
        ages: frame-to-sound ages; the sound counts as heard when its block is due.
    """

    def __init__(
        self, mixer: Mixer, clock: Clock, block_size: int = 480, note: str | None = None
    ) -> None:
        self.label = "no sound output"
        self.note = note
        self.xruns = 0
        self.ages = AgeLog(mixer)
        self._mixer, self._clock = mixer, clock
        self._block = np.zeros((block_size, 2), np.float32)
        self._stop = threading.Event()
        self._thread: GuardedThread | None = None

    @property
    def status(self) -> SinkStatus:
        """See :class:`sonar.ports.SinkStatus`."""
        return SinkStatus(self.note, gaps=self.xruns, ages_s=self.ages.ages_s)

    def spoken(self) -> list[Spoken]:
        """Phrases that began to sound since the last call."""
        return self._mixer.spoken()

    def start(self) -> None:
        """Begin to render, in a thread of its own."""
        if self._thread is None:
            self._thread = GuardedThread(
                "sonar-null", self._run, announce=self._announce, clock=self._clock
            )
            self._thread.start()

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; never blocks."""
        self._mixer.post(cue)

    def advance(self, t: float) -> None:
        """Real time needs no telling."""

    def drain(self, limit_s: float) -> None:
        """Wait until one-shot sounds and speech have ended, at most ``limit_s``."""
        deadline = self._clock.now() + limit_s
        while self._thread is not None and self._mixer.busy and self._clock.now() < deadline:
            self._clock.sleep(0.01)

    def close(self) -> None:
        """Stop; returns within a second."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)
            self._thread = None

    def _announce(self, problem: str, gave_up: bool) -> None:
        self.note = problem

    def _run(self) -> None:
        period_s = self._block.shape[0] / self._mixer.rate_hz
        due = self._clock.now()
        while not self._stop.is_set():
            first = self._mixer.rendered
            self._mixer.render(self._block)
            due += period_s
            now = self._clock.now()
            self.ages.note(first, max(now, due))
            if now > due + period_s:
                self.xruns += 1
            if now > due + _LATE_S:
                due = now
            self._clock.sleep(due - now)
