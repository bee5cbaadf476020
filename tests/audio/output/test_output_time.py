"""A device's time: ages, gaps, a clock that drifts, and the audio thread's place."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fake_portaudio import sink, wait_for
from hearing import AUDIO, SPEECH, pulse

from sonar.audio.output import device as output
from sonar.audio.output import timing
from sonar.audio.output.device import DeviceSink
from sonar.audio.synthesis import Mixer
from sonar.clock import ManualClock, SystemClock

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
    assert own.ages.ages_s == pytest.approx([0.25], abs=0.05)
    assert own.xruns == 1
    assert block.any()


def test_gaps_are_sonars_own_only_after_a_block_that_took_too_long(portaudio, monkeypatch):
    clock = ManualClock()
    mixer = Mixer(AUDIO, SPEECH)
    own = DeviceSink(mixer, AUDIO, clock)
    own.start()
    block = np.zeros((480, 2), np.float32)
    render, cost_s = mixer.render, [0.0]

    def slow(out):
        render(out)
        clock.advance(cost_s[0])

    def ask(waits_s, costs_s, gap):
        """The device asks; the block is begun and rendered so much later."""
        asked_s = 1000.0 + clock.now()
        clock.advance(waits_s)
        cost_s[0] = costs_s
        moment = SimpleNamespace(currentTime=asked_s, outputBufferDacTime=asked_s + 0.02)
        status = SimpleNamespace(output_underflow=gap)
        portaudio.streams[0].callback(block, 480, moment, status)
        clock.advance(0.01)
        return own.xruns, own.own_xruns

    monkeypatch.setattr(mixer, "render", slow)
    assert ask(0.0, 0.001, False) == (0, 0)
    assert ask(0.0, 0.0099, True) == (1, 0)  # a block lasts 10 ms
    assert ask(0.0, 0.0101, True) == (2, 0)
    assert ask(0.0, 0.001, True) == (3, 1)  # rendered too late
    for _ in range(4):  # two blocks of buffer, and two to spare
        ask(0.0, 0.001, False)
    assert ask(0.009, 0.0005, True) == (4, 1)
    assert ask(0.0095, 0.001, False) == (4, 1)
    assert ask(0.0, 0.001, False) == (4, 1)
    assert ask(0.0, 0.001, True) == (5, 2)  # begun too late
    own.close()


def test_a_device_clock_that_drifts_is_not_taken_for_lateness():
    late = timing.Lateness()
    for block in range(200_000):
        now_s = 0.01 * block
        late.note(5.0 + now_s * (1 - 5e-4), now_s, now_s + 0.001, 0.01, 0.02)
        assert not late.recent
    late.note(5.0 + 2000.0 * (1 - 5e-4) - 0.02, 2000.0, 2000.001, 0.01, 0.02)
    assert late.recent
    silent = timing.Lateness()  # a device that does not tell its time
    for block in range(100):
        silent.note(0.0, 0.01 * block, 0.01 * block + 0.001, 0.01, 0.02)
    assert not silent.recent


def test_threads_take_turns_quickly_only_while_it_plays(portaudio):
    before_s = sys.getswitchinterval()
    own = sink()
    own.start()
    assert sys.getswitchinterval() == pytest.approx(min(before_s, timing.SWITCH_S))
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
    assert (own.urgent, len(asked)) == (True, 1)
    portaudio.streams[0].active = False
    assert wait_for(lambda: own.reopened == 1)
    assert own.urgent is None
    own.close()
