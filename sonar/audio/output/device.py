"""The sound card, through PortAudio: found by name, watched, and opened again when it is lost."""

import sys
import wave
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sonar.audio.output.sinks import BLOCK_SIZE, LiveSink, NullSink
from sonar.audio.synthesis import Mixer
from sonar.config import AudioConfig
from sonar.errors import DeviceError
from sonar.ports import AudioSink, Clock
from sonar.threads import realtime, run_briefly

T = TypeVar("T")

PRIORITY = 5  # of the audio thread, 1 to 99: after the kernel's own and a sound server's
SWITCH_S = 0.0005  # the longest that Python code of another thread keeps a block (10 ms) waiting
PATIENCE_S = 3.0  # PortAudio may hang when it opens or closes a device that is gone
_WATCH_S = 0.1
_RUNAWAY = 10.0  # who takes ten times as much sound as time passes (ALSA's null) plays nothing
_SILENT_S = 0.5  # a callback that has not come for this long is lost
_WAKING_S = 3.0  # of a device that has just been opened: headsets and idle sinks wake slowly
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 4.0
# With ALSA's pulse plugin the callback never comes again after an underrun. The stream is then
# opened with the next longer buffer, so that a busy machine is not lost again and again. Longer
# than this, frames would be older than 150 ms when they are heard (scripts/soak).
_LATENCIES: tuple[str | float, ...] = ("low", 0.03, 0.06)
_NEVER_UNASKED = ("hdmi", "displayport", "display port", "spdif", "iec958")
# Where the desktop's own choice lives: it follows headphones, Bluetooth and the user.
_SERVERS = ("pipewire", "pulse", "default")


@dataclass(frozen=True, slots=True)
class OutputDevice:
    """A device that can play: PortAudio's number, its name and host API, and whether PortAudio
    would choose it."""

    index: int
    name: str
    host: str
    default: bool = False


def sounddevice_module() -> Any:
    """sounddevice, which loads PortAudio. Raises DeviceError where that is missing."""
    try:
        import sounddevice
    except OSError as error:  # the Python package is there, the library is not
        raise DeviceError("PortAudio is missing: install libportaudio2") from error
    return sounddevice


def list_outputs() -> list[OutputDevice]:
    """Devices that can play stereo. Raises DeviceError without PortAudio."""
    sd, found = sounddevice_module(), []
    try:
        hosts = sd.query_hostapis()
        for device in sd.query_devices():
            if device["max_output_channels"] >= 2:
                index, host = device["index"], hosts[device["hostapi"]]
                default = index in (sd.default.device[1], host["default_output_device"])
                found.append(OutputDevice(index, device["name"], host["name"], default))
    except sd.PortAudioError as error:
        raise DeviceError(f"the sound devices cannot be listed: {error}") from error
    return found


def choose_output(devices: Sequence[OutputDevice], pattern: str | None) -> OutputDevice:
    """The device to play on. Raises DeviceError where there is none.

    With a ``pattern``: the first whose name contains it, whatever its case. Without: the sound
    server if there is one, else PortAudio's default, else the first; never HDMI or the like,
    which often have nothing plugged in.
    """
    if pattern:
        for device in devices:
            if pattern.lower() in device.name.lower():
                return device
        names = ", ".join(device.name for device in devices) or "none at all"
        raise DeviceError(f"no sound device's name contains {pattern!r}; there are: {names}")
    allowed = [one for one in devices if not any(w in one.name.lower() for w in _NEVER_UNASKED)]
    if not allowed:
        raise DeviceError("there is no sound device; see `sonar devices`")
    ranks = {name: rank for rank, name in enumerate(_SERVERS)}
    return min(allowed, key=lambda one: (ranks.get(one.name.lower(), 9), not one.default))


def play_wav(path: Path, config: AudioConfig) -> str:
    """Play a 16-bit stereo WAV file to its end on the configured device; returns its name.

    Raises DeviceError where there is no device, or it hangs.
    """
    with wave.open(str(path), "rb") as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    if config.output == "null":
        raise DeviceError("there is no sound device; see `sonar devices`")
    device, play = choose_output(list_outputs(), config.device), sounddevice_module().play
    within(
        f"the sound device {device.name!r} failed",
        lambda: play(samples, rate_hz, device=device.index, blocking=True),
        seconds=len(samples) / rate_hz,
    )
    return device.name


def within(
    problem: str,
    work: Callable[[], T],
    discard: Callable[[T], object] = lambda result: None,
    seconds: float = 0.0,
) -> T:
    """``work()`` in a thread of its own; DeviceError when it fails in PortAudio or hangs.

    A hung PortAudio call cannot be interrupted; its thread is left behind :data:`PATIENCE_S`
    after the ``seconds`` that the work takes. What such a call gives in the end is handed to
    ``discard``: nobody else knows of it.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except Exception as error:  # handed on to the caller
            answer.set_exception(error)

    limit_s = PATIENCE_S + seconds
    run_briefly("sonar-portaudio", run)
    try:
        return answer.result(limit_s)
    except TimeoutError as error:
        answer.add_done_callback(lambda late: late.exception() or discard(late.result()))
        raise DeviceError(f"the sound device did not answer within {limit_s:g} s") from error
    except sounddevice_module().PortAudioError as error:
        raise DeviceError(f"{problem}: {error}") from error


class DeviceSink(LiveSink):
    """Plays what the mixer renders, in PortAudio's callback.

    A stream that ends or falls silent (headphones unplugged, the sound server restarted) is
    noticed within about a second and opened again, with growing pauses, for as long as it
    takes; cues go on being taken meanwhile. What was lost is announced when sound is back.
    """

    def __init__(self, mixer: Mixer, config: AudioConfig, clock: Clock) -> None:
        super().__init__(mixer, clock)
        self.label = "sound card"
        self._device = config.device
        self._stream: Any = None
        self._life = 0  # the present stream's; others are silent
        self._buffering = 0  # index into _LATENCIES
        self._blocks = self._xruns_at_open = 0
        self._placed = 0  # the life whose thread has asked for its priority
        self._usual_switch_s = sys.getswitchinterval()

    def start(self) -> None:
        if self._thread is None:
            self._open()
            sys.setswitchinterval(min(self._usual_switch_s, SWITCH_S))
            super().start()

    def close(self) -> None:
        """Fade out, stop, release; safe to call twice; takes at most a few seconds."""
        try:
            if self._stream is not None and not self.lost:
                self._mixer.fade_out()
                self._clock.sleep(0.04 + min(self.latency_s, 0.2))
        finally:
            super().close()
            self._release()
            sys.setswitchinterval(self._usual_switch_s)

    def _open(self) -> None:
        device = choose_output(list_outputs(), self._device)
        if self.xruns != self._xruns_at_open:
            self._buffering = min(self._buffering + 1, len(_LATENCIES) - 1)
        self._xruns_at_open = self.xruns  # before the first block, which may report a gap
        self._life += 1
        callback = partial(self._callback, self._life)

        def open_stream() -> Any:
            stream = sounddevice_module().OutputStream(
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

        problem = f"the sound device {device.name!r} cannot be opened"
        self._stream = within(problem, open_stream, discard=methodcaller("close"))
        self._opened_s = self._clock.now()
        self.latency_s = float(self._stream.latency)
        self.label = f"{device.name} ({device.host})"

    def _callback(self, life: int, out: Any, frames: int, time: Any, status: Any) -> None:
        """PortAudio's thread: no locks, nothing that waits; ``out`` is float32 ``(n, 2)``."""
        if life != self._life:  # a stream that was given up and came late, or could not be closed
            out.fill(0.0)
            return
        if life != self._placed:
            self._placed = life
            realtime(PRIORITY)
        self.xruns += bool(status.output_underflow)
        lead_s = max(0.0, time.outputBufferDacTime - time.currentTime)
        self._render(out, self._clock.now() + lead_s)
        self._blocks += 1

    def _run(self) -> None:
        pause_s, seen = _FIRST_PAUSE_S, self._blocks
        looked_s = seen_s = self._clock.now()  # when a new block was seen
        while not self._closing.wait(_WATCH_S):
            now_s, blocks, stream = self._clock.now(), self._blocks, self._stream
            taken_s = (blocks - seen) * BLOCK_SIZE / self._mixer.rate_hz
            runaway = taken_s > _RUNAWAY * max(now_s - looked_s, _WATCH_S)
            seen_s = now_s if blocks != seen else max(seen_s, self._opened_s)
            seen, looked_s = blocks, now_s
            gap = self.xruns != self._xruns_at_open
            limit_s = _SILENT_S if gap or now_s - self._opened_s > _WAKING_S else _WAKING_S
            plays = stream is not None and stream.active and now_s - seen_s <= limit_s
            if plays and not runaway:
                continue
            self.lost = True
            self._release()
            if runaway:
                self.note = f"{self.label} has no clock, so nothing is heard; trying again"
                self._closing.wait(_LONGEST_PAUSE_S)
            try:
                # PortAudio keeps the list of its first look; it has to look for devices again
                within("PortAudio cannot end", sounddevice_module()._terminate)
                within("PortAudio cannot start", sounddevice_module()._initialize)
                self._open()
            except DeviceError as error:
                self.note = f"{error}; trying again"
                self._closing.wait(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                continue
            pause_s, self.note, self.lost = _FIRST_PAUSE_S, None, False
            self.reopened += 1
            self._mixer.announce("degraded", "unknown_audio_lost")

    def _release(self) -> None:
        stream, self._stream = self._stream, None
        self._life += 1
        if stream is not None:
            try:
                within("PortAudio", stream.close)
            except Exception as error:  # left behind; a new stream is opened beside it
                self.note = f"the sound device could not be closed: {error}"


def open_sink(config: AudioConfig, mixer: Mixer, clock: Clock) -> AudioSink:
    """The sink that the configuration asks for.

    ``auto`` is the sound card where one can be opened, else a :class:`NullSink` whose ``note``
    says why nothing is heard. Raises DeviceError for ``output: device`` where there is none.
    """
    if config.output == "null":
        return NullSink(mixer, clock)
    try:
        device, sd = choose_output(list_outputs(), config.device), sounddevice_module()
        check = partial(sd.check_output_settings, device.index, 2, "float32", None, config.rate_hz)
        within(f"the sound device {device.name!r} cannot be opened", check)
    except DeviceError as error:
        if config.output == "device":
            raise
        return NullSink(mixer, clock, f"No sound: {error}")
    return DeviceSink(mixer, config, clock)
