"""The sound card, through PortAudio: found by name, watched, and opened again when it is lost."""

import sys
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.audio.output import portaudio
from sonar.audio.output.portaudio import find_output, within
from sonar.audio.output.sinks import BLOCK_SIZE, LiveSink, NullSink
from sonar.audio.synthesis import Mixer
from sonar.config import AudioConfig
from sonar.errors import DeviceError
from sonar.ports import AudioSink, Clock
from sonar.threads import realtime

PRIORITY = 5  # of the audio thread, 1 to 99: after the kernel's own and a sound server's
SWITCH_S = 0.0005  # the longest that Python code of another thread keeps a block waiting
_WATCH_S = 0.1
_SILENT_S = 0.5  # a callback that has not come for this long is lost
_WAKING_S = 3.0  # of a device that has just been opened: headsets and idle sinks wake slowly
_PACE_S, _RUNAWAY = 1.0, 10.0  # a device that takes ten times as much as that hears nothing
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 4.0
# With ALSA's pulse plugin the callback never comes again after an underrun. The stream is then
# opened with the next longer buffer, so that a busy machine is not lost again and again. Longer
# than this, frames would be older than 150 ms when they are heard (scripts/soak).
_LATENCIES: tuple[str | float, ...] = ("low", 0.03, 0.06)


class DeviceSink(LiveSink):
    """Plays what the mixer renders, in PortAudio's callback.

    A stream that ends or falls silent (headphones unplugged, the sound server restarted) is
    noticed within about a second and opened again, with growing pauses, for as long as it
    takes; cues go on being taken meanwhile. What was lost is announced when sound is back.

    Attributes:
        urgent: the audio thread runs before ordinary ones; None before its first block.
    """

    def __init__(self, mixer: Mixer, config: AudioConfig, clock: Clock) -> None:
        super().__init__(mixer, clock)
        self.label = "sound card"
        self.urgent: bool | None = None
        self._device = config.device
        self._stream: Any = None
        self._life = 0  # the present stream's; others are silent
        self._blocks = 0
        self._buffering = 0  # index into _LATENCIES
        self._xruns_at_open = 0
        self._usual_switch_s = sys.getswitchinterval()

    def start(self) -> None:
        if self._thread is None:
            self._open()
            self._usual_switch_s = sys.getswitchinterval()
            # a block of sound lasts 10 ms, and must not wait for half of that
            sys.setswitchinterval(min(self._usual_switch_s, SWITCH_S))
            self._start("sonar-output", self._watch)

    def close(self) -> None:
        """Fade out, stop, release; safe to call twice; takes at most a few seconds."""
        try:
            if self._stream is not None and not self.lost:
                self._mixer.fade_out()
                self._clock.sleep(0.04 + min(self.latency_s, 0.2))
        finally:
            self._stop(2 * portaudio.PATIENCE_S)
            self._release()
            sys.setswitchinterval(self._usual_switch_s)

    def _open(self) -> None:
        sd, device = portaudio.sounddevice_module(), find_output(self._device)
        self.urgent = None  # each stream has a thread of its own
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
                latency=_LATENCIES[self._buffering],
                callback=callback,
            )
            stream.start()
            return stream

        try:
            self._stream = within(
                f"the sound device {device.name!r} cannot be opened", open_stream, discard=_close
            )
        except Exception:
            self._life += 1  # it may yet open
            raise
        self.latency_s = float(self._stream.latency)
        self.label = f"{device.name} ({device.host})"

    def _callback(
        self, life: int, out: NDArray[np.float32], frames: int, time: Any, status: Any
    ) -> None:
        """PortAudio's thread: no locks, nothing that waits."""
        if life != self._life:  # a stream that was given up and came late, or could not be closed
            out.fill(0.0)
            return
        if self.urgent is None:
            self.urgent = realtime(PRIORITY)
        self.xruns += bool(status.output_underflow)
        first = self._mixer.rendered
        self._mixer.render(out)
        lead_s = max(0.0, time.outputBufferDacTime - time.currentTime)
        self._heard(first, self._clock.now() + lead_s)
        self._blocks += 1

    def _watch(self) -> None:
        first = blocks = self._blocks
        opened_s = since_s = paced_s = self._clock.now()
        while not self._closing.wait(_WATCH_S):
            now_s, stream = self._clock.now(), self._stream
            if self._blocks != blocks:
                blocks, since_s = self._blocks, now_s
            gap = self.xruns != self._xruns_at_open
            limit_s = _SILENT_S if gap or now_s - opened_s > _WAKING_S else _WAKING_S
            taken_s = (blocks - first) * BLOCK_SIZE / self._mixer.rate_hz
            runaway = taken_s > _RUNAWAY * max(now_s - paced_s, _PACE_S)
            if now_s - paced_s >= _PACE_S:
                first, paced_s = blocks, now_s
            plays = stream is not None and stream.active and now_s - since_s <= limit_s
            if plays and not runaway:
                continue
            self.lost = True
            if gap:
                self._buffering = min(self._buffering + 1, len(_LATENCIES) - 1)
            if runaway:
                # ALSA's null device and the like take sound as fast as it is made, a whole
                # processor's worth, and nobody hears it.
                self._release()
                self.note = f"{self.label} has no clock, so nothing is heard; trying again"
                self._closing.wait(_LONGEST_PAUSE_S)
            self._regain()
            first = blocks = self._blocks
            opened_s = since_s = paced_s = self._clock.now()

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
                within("PortAudio", partial(_close, stream))
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
        return NullSink(mixer, clock)
    try:
        sd, device = portaudio.sounddevice_module(), find_output(config.device)
        check = partial(
            sd.check_output_settings,
            device.index,
            channels=2,
            dtype="float32",
            samplerate=config.rate_hz,
        )
        within(f"the sound device {device.name!r} cannot be opened", check)
    except DeviceError as error:
        if config.output == "device":
            raise
        return NullSink(mixer, clock, f"No sound: {error}")
    return DeviceSink(mixer, config, clock)
