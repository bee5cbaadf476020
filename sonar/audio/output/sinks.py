"""Sinks without a device: nothing rendered, a WAV file in media time, silence in real time."""

import threading
import wave
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.synthesis import Mixer
from sonar.errors import OutputError, SourceError
from sonar.ports import Clock, SinkStatus, Spoken
from sonar.threads import GuardedThread
from sonar.types import Cue

BLOCK_SIZE = 480  # samples: 10 ms at 48 kHz
LONGEST_BLOCK = 4800
MOST_BYTES = 0xFFFFFFFF  # of a WAV file: its sizes have 32 bits
LONGEST_GAP_S = 3600.0  # between two frames; more is a clock that jumped, not a recording
_FADE_OUT_S = 0.03
_LATE_S = 1.0  # further behind than this (the machine slept), the schedule starts anew
_KEPT = 8192  # ages
_END_S = 6.0  # for the thread to end; it may be waiting for PortAudio


class UnheardSink:
    """Takes cues and drops them: a :class:`sonar.ports.AudioSink` for who wants the steps only."""

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
    """Base of sinks without a clock: ``advance`` renders, ``_write`` keeps."""

    _open = False

    def start(self) -> None:
        self._open = True

    def advance(self, t: float) -> None:
        """Render until ``t`` seconds since start, exactly; earlier times do nothing.

        Raises OutputError when it cannot be written, SourceError when ``t`` jumps by more than
        :data:`LONGEST_GAP_S`: a broken time stamp may ask for years of silence.
        """
        done_s = self._mixer.rendered / self._mixer.rate_hz
        if not self._open:
            return
        if not t - done_s <= LONGEST_GAP_S:  # NaN too
            raise SourceError(
                f"the recording's time stamps jump by {(t - done_s) / 3600:.3g} hours after "
                f"{done_s:.1f} s; what came before is done"
            )
        self._render_to(round(t * self._mixer.rate_hz))

    def drain(self, limit_s: float) -> None:
        last = self._mixer.rendered + round(limit_s * self._mixer.rate_hz)
        while self._open and self._mixer.busy and self._mixer.rendered < last:
            self._render_to(min(last, self._mixer.rendered + BLOCK_SIZE))

    def close(self) -> None:
        """Fade out over 30 ms and finish. Raises OutputError, once, when that failed."""
        if self._open:
            self._mixer.fade_out()
            try:
                self._render_to(self._mixer.rendered + round(_FADE_OUT_S * self._mixer.rate_hz))
            finally:
                self._open = False

    def _render_to(self, sample: int) -> None:
        while self._open and self._mixer.rendered < sample:
            block = np.empty((min(LONGEST_BLOCK, sample - self._mixer.rendered), 2), np.float32)
            self._mixer.render(block)
            self._write(block)

    @abstractmethod
    def _write(self, block: NDArray[np.float32]) -> None:
        """Keep one rendered block, float32 ``(n, 2)``."""


class WavSink(OfflineSink):
    """Writes what is heard to ``path``, 16-bit stereo, in media time.

    The file is playable at every moment, also when the disk is full or the process is killed right
    then. ``on_block`` is called with each rendered block. Raises OutputError at 4 GB (six hours at
    48 kHz), the most that a WAV file can hold; what came before is in it.
    """

    def __init__(
        self, mixer: Mixer, path: Path, on_block: Callable[..., None] | None = None
    ) -> None:
        super().__init__(mixer)
        self._path, self._on_block = path, on_block
        self.label = f"WAV file {self._path}"
        self._files = ExitStack()
        self._writer: wave.Wave_write | None = None

    def start(self) -> None:
        super().start()
        self._append(b"")

    def close(self) -> None:
        try:
            super().close()
        finally:
            with suppress(OSError):  # reported when it was met
                self._files.close()

    def _write(self, block: NDArray[np.float32]) -> None:
        self._append(np.rint(block * np.float32(32767.0)).astype("<i2").tobytes())
        if self._on_block is not None:
            self._on_block(block)

    def _append(self, data: bytes) -> None:
        """Samples, then the new length into the header."""
        try:
            if self._writer is None:
                self._file = self._files.enter_context(self._path.open("wb"))
                self._writer = self._files.enter_context(wave.open(self._file, "wb"))  # noqa: SIM115
                self._writer.setparams((2, 2, self._mixer.rate_hz, 0, "NONE", ""))
            if self._file.tell() + len(data) > MOST_BYTES:
                raise OSError("a WAV file holds 4 GB; what came before is in it")
            self._writer.writeframes(data)
            self._file.flush()
        except OSError as error:
            self._open = False
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from error


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

    def _render(self, block: NDArray[np.float32], heard_at_s: float) -> None:
        """Fill ``block``, whose first sample is heard at ``heard_at_s`` on the frames' clock."""
        first = self._mixer.rendered
        self._mixer.render(block)
        while self._mixer.onsets:
            onset = self._mixer.onsets.popleft()
            if onset.frame_id >= 0:
                into_s = (onset.sample - first) / self._mixer.rate_hz
                self._ages[self._count % _KEPT] = heard_at_s + into_s - onset.t
                self._count += 1

    def drain(self, limit_s: float) -> None:
        deadline = self._clock.now() + limit_s
        while self._thread and self._mixer.busy and not self.lost and self._clock.now() < deadline:
            self._clock.sleep(0.01)
        self._clock.sleep(min(self.latency_s, max(0.0, deadline - self._clock.now())))

    def start(self) -> None:
        if self._thread is None:
            thread = GuardedThread("sonar-sound", self._run, announce=self._lose, clock=self._clock)
            thread.start()
            self._thread = thread

    def close(self) -> None:
        self._closing.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_END_S)

    @abstractmethod
    def _run(self) -> None:
        """The thread's work until ``_closing`` is set."""

    def _lose(self, problem: str, gave_up: bool) -> None:
        """Nobody renders or watches the device any more: for the supervisor it is lost."""
        self.note, self.lost = problem, self.lost or gave_up


class NullSink(LiveSink):
    """Renders in real time and throws the sound away: without a sound card, and to measure ages.

    Its clock must run by itself (:class:`~sonar.clock.SystemClock`). A gap is a block that was not
    rendered in time; the sound counts as heard when its block is due.
    """

    label = "no sound output"

    def _run(self) -> None:
        block = np.zeros((BLOCK_SIZE, 2), np.float32)
        period_s = BLOCK_SIZE / self._mixer.rate_hz
        due = self._clock.now()
        while not self._closing.is_set():
            due += period_s
            self._render(block, max(due, self._clock.now()))
            now = self._clock.now()
            self.xruns += now > due + period_s
            due = now if now > due + _LATE_S else due
            self._clock.sleep(due - now)
