"""The sound card, through PortAudio: found by name, watched, and opened again when it is lost."""

import threading
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.audio.output import portaudio
from sonar.audio.output.null import NullSink
from sonar.audio.output.portaudio import choose_output, list_outputs, within
from sonar.audio.output.timing import PRIORITY, AgeLog, Lateness, quick_switching
from sonar.audio.synthesis import Mixer
from sonar.config import AudioConfig
from sonar.errors import DeviceError
from sonar.ports import AudioSink, Clock, SinkStatus, Spoken
from sonar.threads import GuardedThread, realtime
from sonar.types import Cue

BLOCK_SIZE = 480  # samples: 10 ms at 48 kHz
_WATCH_S = 0.1
_SILENT_S = 0.5  # a callback that has not come for this long is lost
_AFTER_GAP_S = 0.25  # and for this long after an underrun, see _LATENCIES
_WAKING_S = 3.0  # unless the device has just been opened: headsets and idle sinks wake slowly
_PACE_S, _RUNAWAY = 1.0, 10.0  # a device that takes ten times as much as that hears nothing
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 4.0
# With ALSA's pulse plugin the callback never comes again after an underrun. The stream is then
# opened with the next longer buffer, so that a busy machine is not lost again and again. Longer
# than this, frames would be older than 150 ms when they are heard (scripts/soak).
_LATENCIES: tuple[str | float, ...] = ("low", 0.03, 0.06)
# After so long without a gap a shorter buffer is tried again: what was busy, starting up perhaps,
# need not be for ever. Twice as long each time that this was too early.
_CALM_S, _LONGEST_CALM_S = 20.0, 3600.0


class DeviceSink:
    """Plays what the mixer renders, in PortAudio's callback.

    A stream that ends or falls silent (headphones unplugged, the sound server restarted) is
    noticed within about a second and opened again, with growing pauses, for as long as it
    takes; cues go on being taken meanwhile. What was lost is announced when sound is back.

    Attributes:
        note: what the user must know, or None.
        xruns: gaps that the device reported.
        own_xruns: those of them that sonar may have caused: within a buffer's length before them
            a block took longer than it lasts, from the moment at which the device asked for it
            (waiting for Python's lock included) until it was rendered. Before the others sonar
            was in time, and the sound server, a driver or the machine was not.
        reopened: how often the device was lost and regained.
        urgent: the audio thread runs before ordinary ones; None before its first block.
        ages: frame-to-sound ages, the device's latency included.
    """

    def __init__(self, mixer: Mixer, config: AudioConfig, clock: Clock) -> None:
        self.label = "sound card"
        self.note: str | None = None
        self.xruns = self.own_xruns = 0
        self._lateness = Lateness()
        self.urgent: bool | None = None
        self.reopened = 0
        self.ages = AgeLog(mixer)
        self._mixer, self._config, self._clock = mixer, config, clock
        self._stream: Any = None
        self._life = 0  # the present stream's; others are silent
        self._blocks = 0
        self._latencies = _LATENCIES
        self._buffering = 0  # index into it
        self._xruns_at_open = 0
        self._closing = threading.Event()
        self._while_playing = ExitStack()
        self._watcher: GuardedThread | None = None
        self.lost = False

    @property
    def latency_s(self) -> float | None:
        """From rendering to the ear as PortAudio expects it; None while there is no stream."""
        stream = self._stream
        return None if stream is None else float(stream.latency)

    @property
    def status(self) -> SinkStatus:
        """See :class:`sonar.ports.SinkStatus`."""
        return SinkStatus(
            self.note, self.lost, self.xruns, self.own_xruns, self.reopened, self.ages.ages_s
        )

    def spoken(self) -> list[Spoken]:
        """Phrases that began to sound since the last call."""
        return self._mixer.spoken()

    def start(self) -> None:
        """Raises DeviceError when the device cannot be opened."""
        if self._watcher is not None:
            return
        self._open()
        self._while_playing.enter_context(quick_switching())
        self._watcher = GuardedThread(
            "sonar-output", self._watch, announce=self._announce, clock=self._clock
        )
        self._watcher.start()

    def post(self, cue: Cue) -> None:
        """Hand over the newest cue; never blocks."""
        self._mixer.post(cue)

    def advance(self, t: float) -> None:
        """Real time needs no telling."""

    def drain(self, limit_s: float) -> None:
        """Wait until one-shot sounds and speech have been heard, at most ``limit_s``."""
        deadline = self._clock.now() + limit_s
        while self._mixer.busy and not self.lost and self._clock.now() < deadline:
            self._clock.sleep(0.01)
        self._clock.sleep(min(self.latency_s or 0.0, max(0.0, deadline - self._clock.now())))

    def close(self) -> None:
        """Fade out, stop, release; safe to call twice; takes at most a few seconds."""
        try:
            if self._stream is not None and not self.lost:
                self._mixer.fade_out()
                self._clock.sleep(0.04 + min(self.latency_s or 0.0, 0.2))
        finally:
            self._closing.set()
            if self._watcher is not None:
                self._watcher.join(2 * portaudio.PATIENCE_S)
                self._watcher = None
            self._release()
            self._while_playing.close()

    def _open(self) -> None:
        sd = portaudio.sounddevice_module()
        self.urgent = None  # each stream has a thread of its own, and a clock
        self._lateness = Lateness()
        device = choose_output(list_outputs(), self._config.device)
        if device is None:
            raise DeviceError("no sound device was found; see `sonar devices`")

        self._life += 1
        self._xruns_at_open = self.xruns  # before the first block, which may report a gap
        callback = partial(self._callback, self._life)

        def open_stream() -> Any:
            stream = sd.OutputStream(
                samplerate=self._mixer.rate_hz,
                blocksize=BLOCK_SIZE,
                device=device.index,
                channels=2,
                dtype="float32",
                latency=self._latencies[self._buffering],
                callback=callback,
            )
            stream.start()
            return stream

        try:
            self._stream = within(portaudio.PATIENCE_S, open_stream, discard=_close)
        except Exception as error:
            self._life += 1  # it may yet open
            if not isinstance(error, sd.PortAudioError):
                raise
            raise DeviceError(f"the sound device {device.name!r} cannot be opened: {error}") from (
                error
            )
        self.label = f"{device.name} ({device.host})"

    def _callback(
        self, life: int, out: NDArray[np.float32], frames: int, time: Any, status: Any
    ) -> None:
        """PortAudio's thread: no locks, no allocation, nothing that waits."""
        if life != self._life:  # a stream that was given up and came late, or could not be closed
            out.fill(0.0)
            return
        begun_s = self._clock.now()
        if self.urgent is None:
            self.urgent = realtime(PRIORITY)
        if status.output_underflow:
            self.xruns += 1
            self.own_xruns += self._lateness.recent
        first = self._mixer.rendered
        self._mixer.render(out)
        done_s = self._clock.now()
        lead_s = time.outputBufferDacTime - time.currentTime
        self.ages.note(first, done_s + max(0.0, lead_s))
        self._lateness.note(time.currentTime, begun_s, done_s, frames / self._mixer.rate_hz, lead_s)
        self._blocks += 1

    def _watch(self) -> None:
        opened_s = since_s = self._clock.now()
        blocks = self._blocks
        pace_s, pace_blocks = opened_s, blocks
        calm_s, shortened = _CALM_S, False
        while not self._closing.wait(_WATCH_S):
            now_s = self._clock.now()
            if self._blocks != blocks:
                blocks, since_s = self._blocks, now_s
            stream = self._stream
            gap = self.xruns != self._xruns_at_open
            limit_s = _AFTER_GAP_S if gap else _SILENT_S
            if not gap and now_s - opened_s < _WAKING_S:
                limit_s = _WAKING_S
            runaway = False
            if now_s - pace_s >= _PACE_S:
                taken_s = (blocks - pace_blocks) * BLOCK_SIZE / self._mixer.rate_hz
                runaway = taken_s > _RUNAWAY * (now_s - pace_s)
                pace_s, pace_blocks = now_s, blocks
            if runaway or now_s - since_s > limit_s or stream is None or not stream.active:
                self.lost = True
                if gap:
                    self._buffering = min(self._buffering + 1, len(self._latencies) - 1)
                    calm_s = min(2 * calm_s, _LONGEST_CALM_S) if shortened else calm_s
                if runaway:
                    self._stand_back()
                self._regain()
            elif self._buffering and now_s - opened_s > calm_s and not (gap or self._mixer.busy):
                self._buffering -= 1
                shortened = True
                self._exchange()
            else:
                continue
            blocks, opened_s = self._blocks, self._clock.now()
            pace_s, pace_blocks, since_s = opened_s, blocks, opened_s

    def _announce(self, problem: str, gave_up: bool) -> None:
        """Nobody watches the device: what the supervisor sees of it is that it is lost."""
        self.note, self.lost = problem, self.lost or gave_up

    def _stand_back(self) -> None:
        """ALSA's null device and the like take sound as fast as it is made, a whole processor's
        worth, and nobody hears it."""
        self._release()
        self.note = f"{self.label} has no clock, so nothing is heard; trying again"
        self._closing.wait(_LONGEST_PAUSE_S)

    def _exchange(self) -> None:
        """Another stream for the present one, which is well: nothing is announced."""
        self._release()
        try:
            self._open()
        except DeviceError as error:
            self.note, self.lost = f"{error}; trying again", True
            self._regain()

    def _regain(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._closing.is_set():
            self._release()
            try:
                portaudio.rescan()
                self._open()
            except DeviceError as error:
                self.note = f"{error}; trying again"
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            self.note = None
            self.lost = False
            self.reopened += 1
            self._mixer.announce("degraded", "unknown_audio_lost")
            return

    def _release(self) -> None:
        stream, self._stream = self._stream, None
        self._life += 1
        if stream is not None:
            try:
                within(portaudio.PATIENCE_S, partial(_close, stream))
            except Exception as error:  # left behind; a new stream is opened beside it
                self.note = f"the sound device could not be closed: {error}"


def _close(stream: Any) -> None:
    stream.close(ignore_errors=True)


def open_sink(config: AudioConfig, mixer: Mixer, clock: Clock) -> AudioSink:
    """The sink that the configuration asks for.

    ``auto`` is the sound card where one can be opened, else a :class:`NullSink` whose ``note``
    says why nothing is heard. Raises DeviceError only where ``device`` was asked for by
    ``output`` and there is none.
    """
    if config.output == "null":
        return NullSink(mixer, clock, BLOCK_SIZE)
    try:
        _check(config)
    except DeviceError as error:
        if config.output == "device":
            raise
        note = f"No sound: {error}"
        return NullSink(mixer, clock, BLOCK_SIZE, note)
    return DeviceSink(mixer, config, clock)


def _check(config: AudioConfig) -> None:
    device = choose_output(list_outputs(), config.device)
    if device is None:
        raise DeviceError("there is no sound device; see `sonar devices`")
    sd = portaudio.sounddevice_module()
    try:
        within(
            portaudio.PATIENCE_S,
            lambda: sd.check_output_settings(
                device.index, channels=2, dtype="float32", samplerate=config.rate_hz
            ),
        )
    except sd.PortAudioError as error:
        raise DeviceError(f"the sound device {device.name!r} cannot be opened: {error}") from error
