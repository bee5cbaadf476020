"""A device's time: ages, gaps, and the audio thread's place."""

import sys

import numpy as np
import pytest
from fake_portaudio import sink, wait_for
from hearing import pulse

from sonar.audio.output import device as output
from sonar.clock import SystemClock

pytestmark = pytest.mark.realtime


def test_ages_include_what_the_device_adds(portaudio):
    own = sink()
    own.start()
    clock = SystemClock()
    own.post(pulse(frame_id=1, t=clock.now()))
    moment = type("Time", (), {"currentTime": 5.0, "outputBufferDacTime": 5.25})
    late = type("Status", (), {"output_underflow": True})
    block = np.zeros((480, 2), np.float32)
    portaudio.streams[-1].callback(block, 480, moment, late)
    own.close()
    assert own.status.ages_s == pytest.approx([0.25], abs=0.05)
    assert own.xruns == 1
    assert block.any()


def test_threads_take_turns_quickly_only_while_it_plays(portaudio):
    before_s = sys.getswitchinterval()
    own = sink()
    own.start()
    assert sys.getswitchinterval() == pytest.approx(min(before_s, output.SWITCH_S))
    own.close()
    assert sys.getswitchinterval() == before_s


def test_the_audio_thread_asks_for_its_place_once_a_stream(portaudio, monkeypatch):
    asked = []
    monkeypatch.setattr(output, "realtime", lambda _: asked.append(1) is None)
    own = sink()
    own.start()
    moment = type("Time", (), {"currentTime": 5.0, "outputBufferDacTime": 5.01})
    fine = type("Status", (), {"output_underflow": False})
    for _ in range(3):
        portaudio.streams[0].callback(np.zeros((480, 2), np.float32), 480, moment, fine)
    assert len(asked) == 1
    portaudio.streams[0].active = False
    assert wait_for(lambda: own.reopened == 1)
    portaudio.streams[1].callback(np.zeros((480, 2), np.float32), 480, moment, fine)
    assert len(asked) == 2
    own.close()
