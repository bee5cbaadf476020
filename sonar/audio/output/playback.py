"""A finished WAV file to the ears."""

import wave
from pathlib import Path

import numpy as np

from sonar.audio.output.portaudio import choose_output, list_outputs, sounddevice_module, within
from sonar.config import AudioConfig
from sonar.errors import DeviceError

_CHUNK_S = 0.1
_GRACE_S = 5.0  # a device may start slowly; beyond the file's length plus this it hangs


def play_wav(path: Path, config: AudioConfig) -> str:
    """Play a 16-bit stereo WAV file to its end on the configured device; returns its name.

    Raises DeviceError where there is no device, or it hangs.
    """
    with wave.open(str(path), "rb") as file:
        rate_hz = file.getframerate()
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)
    device = choose_output(list_outputs(), config.device)
    if config.output == "null" or device is None:
        raise DeviceError("there is no sound device; see `sonar devices`")
    sd = sounddevice_module()

    def play() -> bool:
        with sd.OutputStream(
            samplerate=rate_hz, device=device.index, channels=2, dtype="int16"
        ) as stream:
            step = round(_CHUNK_S * rate_hz)
            for begin in range(0, len(samples), step):
                stream.write(np.ascontiguousarray(samples[begin : begin + step]))
        return True

    try:
        within(len(samples) / rate_hz + _GRACE_S, play)
    except sd.PortAudioError as error:
        raise DeviceError(f"the sound device {device.name!r} failed: {error}") from error
    return device.name
