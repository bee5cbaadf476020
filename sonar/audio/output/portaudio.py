"""PortAudio: the one place that loads it. Devices by name, and calls that cannot hang sonar."""

import wave
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sonar.config import AudioConfig
from sonar.errors import DeviceError
from sonar.threads import run_briefly

T = TypeVar("T")

PATIENCE_S = 3.0  # PortAudio may hang when it opens or closes a device that is gone
_GRACE_S = 5.0  # a device may start slowly; beyond a file's length plus this it hangs
_NEVER_UNASKED = ("hdmi", "displayport", "display port", "spdif", "iec958")
# Where the desktop's own choice lives: it follows headphones, Bluetooth and the user.
_SERVERS = ("pipewire", "pulse", "default")


@dataclass(frozen=True, slots=True)
class OutputDevice:
    """One device that can play.

    Attributes:
        index: PortAudio's number.
        name, host: as PortAudio calls it and its host API.
        default: PortAudio's own choice.
    """

    index: int
    name: str
    host: str
    default: bool = False


def list_outputs() -> list[OutputDevice]:
    """Devices that can play stereo. Raises DeviceError without PortAudio."""
    sd = sounddevice_module()
    try:
        hosts = sd.query_hostapis()
        return [
            OutputDevice(
                index=device["index"],
                name=device["name"],
                host=hosts[device["hostapi"]]["name"],
                default=device["index"]
                in (sd.default.device[1], hosts[device["hostapi"]]["default_output_device"]),
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
    allowed = [
        device
        for device in devices
        if not any(word in device.name.lower() for word in _NEVER_UNASKED)
    ]
    for server in _SERVERS:
        for device in allowed:
            if device.name.lower() == server:
                return device
    return next((device for device in allowed if device.default), next(iter(allowed), None))


def find_output(pattern: str | None) -> OutputDevice:
    """As :func:`choose_output`, of those there are. Raises DeviceError where there is none."""
    device = choose_output(list_outputs(), pattern)
    if device is None:
        raise DeviceError("there is no sound device; see `sonar devices`")
    return device


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
    within("PortAudio cannot start", lambda: (sd._terminate(), sd._initialize()))


def play_wav(path: Path, config: AudioConfig) -> str:
    """Play a 16-bit stereo WAV file to its end on the configured device; returns its name.

    Raises DeviceError where there is no device, or it hangs.
    """
    with wave.open(str(path), "rb") as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    if config.output == "null":
        raise DeviceError("there is no sound device; see `sonar devices`")
    sd, device = sounddevice_module(), find_output(config.device)
    within(
        f"the sound device {device.name!r} failed",
        lambda: sd.play(samples, rate_hz, device=device.index, blocking=True),
        seconds=len(samples) / rate_hz + _GRACE_S,
    )
    return device.name


def within(
    problem: str,
    work: Callable[[], T],
    discard: Callable[[T], object] = lambda result: None,
    seconds: float | None = None,
) -> T:
    """``work()`` in a thread of its own; DeviceError when it fails in PortAudio or hangs.

    A hung PortAudio call cannot be interrupted; its thread is left behind after ``seconds``
    (:data:`PATIENCE_S`). What such a call gives in the end is handed to ``discard`` in that
    thread: nobody else knows of it.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # handed on to the caller below
            with suppress(InvalidStateError):
                answer.set_exception(error)
            return
        try:
            answer.set_result(result)
        except InvalidStateError:  # the caller does not wait any more
            discard(result)

    limit_s = PATIENCE_S if seconds is None else seconds
    run_briefly("sonar-portaudio", run)
    try:
        return answer.result(limit_s)
    except TimeoutError as error:
        if not answer.cancel():  # it came in the last moment
            return answer.result()
        raise DeviceError(f"the sound device did not answer within {limit_s:g} s") from error
    except sounddevice_module().PortAudioError as error:
        raise DeviceError(f"{problem}: {error}") from error
