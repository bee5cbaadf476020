"""A PortAudio of the test's own."""

import pytest
from fake_portaudio import FakePortAudio

from sonar.audio.output import device as output


@pytest.fixture
def portaudio(monkeypatch):
    fake = FakePortAudio()
    monkeypatch.setattr("sonar.audio.output.device.sounddevice_module", lambda: fake)
    times = {
        "_WATCH_S": 0.01,
        "_SILENT_S": 0.1,
        "_WAKING_S": 1.0,
        "_FIRST_PAUSE_S": 0.01,
    }
    for name, value in times.items():
        monkeypatch.setattr(output, name, value)
    # here the callback runs in the test's own thread
    monkeypatch.setattr(output, "realtime", lambda _: False)
    return fake
