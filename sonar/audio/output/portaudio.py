"""PortAudio: the one place that loads it. Devices by name, and calls that cannot hang sonar."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sonar.errors import DeviceError
from sonar.threads import run_briefly

T = TypeVar("T")

PATIENCE_S = 3.0  # PortAudio may hang when it opens or closes a device that is gone
_NEVER_UNASKED = ("hdmi", "displayport", "display port", "spdif", "iec958")
# Where the desktop's own choice lives: it follows headphones, Bluetooth and the user.
_SERVERS = ("pipewire", "pulse", "default")


@dataclass(frozen=True, slots=True)
class OutputDevice:
    """One device that can play.

    Attributes:
        index: PortAudio's number.
        name, host: as PortAudio calls it and its host API.
        channels: at most.
        rate_hz: the device's own sample rate.
        latency_s: what PortAudio expects at low latency.
        default: PortAudio's own choice.
    """

    index: int
    name: str
    host: str
    channels: int
    rate_hz: float
    latency_s: float
    default: bool = False


def list_outputs() -> list[OutputDevice]:
    """Devices that can play stereo. Raises DeviceError without PortAudio."""
    sd = sounddevice_module()
    try:
        hosts = sd.query_hostapis()
        chosen = sd.default.device[1]
        return [
            OutputDevice(
                index=device["index"],
                name=device["name"],
                host=hosts[device["hostapi"]]["name"],
                channels=device["max_output_channels"],
                rate_hz=device["default_samplerate"],
                latency_s=device["default_low_output_latency"],
                default=device["index"] == chosen
                or device["index"] == hosts[device["hostapi"]]["default_output_device"],
            )
            for device in sd.query_devices()
            if device["max_output_channels"] >= 2
        ]
    except sd.PortAudioError as error:
        raise DeviceError(f"the sound devices cannot be listed: {error}") from error


def choose_output(devices: Sequence[OutputDevice], pattern: str | None) -> OutputDevice | None:
    """The device to play on; None where there is none that may be taken unasked.

    With a ``pattern``: the first whose name contains it, whatever its case. Without: the sound
    server if there is one, else PortAudio's default, else the first; never HDMI or the like,
    which often have nothing plugged in. Raises DeviceError when no name contains ``pattern``.
    """
    if pattern:
        for device in devices:
            if pattern.lower() in device.name.lower():
                return device
        names = ", ".join(device.name for device in devices) or "none at all"
        raise DeviceError(f"no sound device's name contains {pattern!r}; there are: {names}")
    allowed = [device for device in devices if not _is_display(device.name)]
    for server in _SERVERS:
        for device in allowed:
            if device.name.lower() == server:
                return device
    return next((device for device in allowed if device.default), next(iter(allowed), None))


def _is_display(name: str) -> bool:
    return any(word in name.lower() for word in _NEVER_UNASKED)


def sounddevice_module() -> Any:
    """sounddevice, which loads PortAudio. Raises DeviceError where that is missing."""
    try:
        import sounddevice
    except OSError as error:  # the Python package is there, the library is not
        raise DeviceError("PortAudio is missing: install libportaudio2") from error
    return sounddevice


def rescan() -> None:
    """Make PortAudio look for devices again; it keeps the list of its first look."""
    sd = sounddevice_module()

    def again() -> None:
        sd._terminate()
        sd._initialize()

    try:
        within(PATIENCE_S, again)
    except sd.PortAudioError as error:
        raise DeviceError(f"PortAudio cannot start: {error}") from error


def within(
    seconds: float, work: Callable[[], T], discard: Callable[[T], object] | None = None
) -> T:
    """``work()`` in a thread of its own; DeviceError when it hangs for longer.

    A hung PortAudio call cannot be interrupted; its thread is left behind. What such a call gives
    in the end is handed to ``discard`` in that thread: nobody else knows of it.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # handed on to the caller below
            answer.set_exception(error)
            return
        with lock:
            if not abandoned.is_set():
                answer.set_result(result)
                return
        if discard is not None:
            discard(result)

    lock, abandoned = threading.Lock(), threading.Event()
    run_briefly("sonar-portaudio", run)
    with suppress(LateError):
        return answer.result(seconds)
    with lock:
        abandoned.set()
    if answer.done():  # in the last moment
        return answer.result()
    raise DeviceError(f"the sound device did not answer within {seconds:g} s")
