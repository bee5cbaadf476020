"""A PortAudio whose devices and streams the test decides."""

import threading
from types import SimpleNamespace

import numpy as np
from hearing import AUDIO, SPEECH

from sonar.audio.output.device import DeviceSink
from sonar.audio.synthesis import Mixer
from sonar.clock import SystemClock


class FakeStream:
    """A stream whose life the test decides."""

    latency = 0.02
    active = True

    def __init__(self, callback):
        self.callback, self.closed = callback, False

    def start(self):
        """Nothing plays by itself."""

    def close(self, ignore_errors=True):
        self.closed = True

    def play(self, gap=False, ahead_s=0.01):
        """A block, as PortAudio asks for it."""
        block = np.full((480, 2), 0.5, np.float32)
        moment = SimpleNamespace(currentTime=5.0, outputBufferDacTime=5.0 + ahead_s)
        self.callback(block, 480, moment, SimpleNamespace(output_underflow=gap))
        return block


class FakePortAudio:
    """Stands in for the sounddevice module."""

    class PortAudioError(Exception):
        pass

    def __init__(self, names=("pulse",)):
        self.names, self.streams, self.refuse, self.hang = list(names), [], 0, None
        self.latencies = []
        self.default = type("Default", (), {"device": (0, 0)})

    def query_hostapis(self):
        return ({"name": "ALSA", "default_output_device": 0},)

    def query_devices(self):
        return [
            {
                "index": index,
                "name": name,
                "hostapi": 0,
                "max_output_channels": 2,
                "default_samplerate": 48000.0,
                "default_low_output_latency": 0.01,
            }
            for index, name in enumerate(self.names)
        ]

    def check_output_settings(self, *_, **__):
        if self.refuse:
            raise self.PortAudioError("Invalid sample rate")

    def OutputStream(self, callback, latency=None, **_):
        self.latencies.append(latency)
        if self.hang is not None:
            self.hang.wait(5.0)
        if self.refuse:
            self.refuse -= 1
            raise self.PortAudioError("Device unavailable")
        self.streams.append(FakeStream(callback))
        return self.streams[-1]

    def _terminate(self):
        """Nothing to end."""

    def _initialize(self):
        """Nothing to begin."""


def wait_for(condition, limit_s=5.0):
    done = threading.Event()
    for _ in range(round(limit_s / 0.01)):
        if condition():
            return True
        done.wait(0.01)
    return False


def sink(**more) -> DeviceSink:
    audio = AUDIO.model_copy(update=more)
    return DeviceSink(Mixer(audio, SPEECH), audio, SystemClock())
