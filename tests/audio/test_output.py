"""Choosing a device, and a stream that is lost: without PortAudio."""

import os
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hearing import AUDIO, SPEECH, pulse

from sonar.audio import output, realtime
from sonar.audio.mixer import Mixer
from sonar.audio.null import NullSink
from sonar.audio.output import DeviceSink, open_sink
from sonar.audio.portaudio import OutputDevice, choose_output
from sonar.clock import ManualClock, SystemClock
from sonar.errors import DeviceError


def device(index, name, default=False) -> OutputDevice:
    return OutputDevice(index, name, "ALSA", 2, 48000.0, 0.01, default)


HDMI = device(0, "HDA Intel HDMI: 3 (hw:0,3)", default=True)
SPEAKERS = device(1, "HDA Intel: ALC256 Analog (hw:0,0)")
HEADSET = device(2, "USB Headset: Audio (hw:2,0)")
PULSE = device(3, "pulse")


@pytest.mark.parametrize(
    ("devices", "pattern", "chosen"),
    [
        ([HDMI, SPEAKERS, HEADSET, PULSE], None, PULSE),
        ([HDMI, SPEAKERS, HEADSET], None, SPEAKERS),
        ([HDMI, SPEAKERS, device(4, "USB DAC", default=True)], None, device(4, "USB DAC", True)),
        ([HDMI], None, None),
        ([], None, None),
        ([HDMI, SPEAKERS], "hdmi", HDMI),
        ([HDMI, SPEAKERS, HEADSET], "HEADSET", HEADSET),
    ],
)
def test_the_chosen_device(devices, pattern, chosen):
    assert choose_output(devices, pattern) == chosen


def test_a_name_that_no_device_has_is_told_with_those_there_are():
    with pytest.raises(DeviceError, match="'sony'; there are: pulse"):
        choose_output([PULSE], "sony")


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


@pytest.fixture
def portaudio(monkeypatch):
    fake = FakePortAudio()
    monkeypatch.setattr("sonar.audio.portaudio.sounddevice_module", lambda: fake)
    times = {
        "_WATCH_S": 0.01,
        "_SILENT_S": 0.1,
        "_AFTER_GAP_S": 0.05,
        "_WAKING_S": 1.0,
        "_FIRST_PAUSE_S": 0.01,
    }
    for name, value in times.items():
        monkeypatch.setattr(output, name, value)
    # here the callback runs in the test's own thread
    monkeypatch.setattr(output, "make_urgent", lambda: False)
    return fake


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


def test_a_stream_that_ended_is_opened_again_as_often_as_it_takes(portaudio):
    own = sink()
    own.start()
    portaudio.refuse = 3
    portaudio.streams[0].active = False
    assert wait_for(lambda: own.reopened == 1)
    assert portaudio.streams[0].closed
    assert not own.lost
    assert own.note is None
    own.close()
    assert portaudio.streams[-1].closed


def test_a_stream_whose_callback_no_longer_comes_is_opened_again(portaudio):
    own = sink()
    own.start()
    assert wait_for(lambda: len(portaudio.streams) > 1)
    own.close()


@pytest.mark.parametrize(
    ("buffer_ms", "tried"),
    [
        (None, ["low", 0.03, 0.06, 0.06, 0.06, 0.06]),
        (45.0, [0.045, 0.06, 0.06, 0.06, 0.06, 0.06]),
        (150.0, [0.15] * 6),
    ],
)
def test_a_stream_that_an_underrun_silenced_is_opened_with_a_longer_buffer(
    portaudio, buffer_ms, tried
):
    own = sink(buffer_ms=buffer_ms)
    own.start()
    moment = type("Time", (), {"currentTime": 5.0, "outputBufferDacTime": 5.01})
    late = type("Status", (), {"output_underflow": True})
    block = np.zeros((480, 2), np.float32)
    for life in range(5):
        assert wait_for(lambda life=life: own.reopened == life and not own.lost)
        portaudio.streams[-1].callback(block, 480, moment, late)
    assert wait_for(lambda: own.reopened == 5)
    assert portaudio.latencies == tried
    own.close()


def test_after_calm_a_shorter_buffer_is_tried_again_and_later_each_time(portaudio, monkeypatch):
    monkeypatch.setattr(output, "_CALM_S", 0.3)
    for name in ("_SILENT_S", "_WAKING_S"):  # only gaps are to count here, not a busy machine
        monkeypatch.setattr(output, name, 3.0)
    own, clock = sink(), SystemClock()
    monkeypatch.setattr(own._mixer, "tell", lambda *_: None)  # while it sounds nothing is exchanged
    own.start()
    moment = type("Time", (), {"currentTime": 5.0, "outputBufferDacTime": 5.01})
    fine, late = (type("Status", (), {"output_underflow": each}) for each in (False, True))
    block = np.zeros((480, 2), np.float32)

    def play_until(count):
        """How long it plays well until so many streams were opened."""
        begun_s = clock.now()
        while len(portaudio.streams) < count:
            portaudio.streams[-1].callback(block, 480, moment, fine)
            clock.sleep(0.01)
            assert clock.now() - begun_s < 20.0
        return clock.now() - begun_s

    def gap(count):
        portaudio.streams[-1].callback(block, 480, moment, late)
        assert wait_for(lambda: len(portaudio.streams) == count and not own.lost)

    play_until(1)
    gap(2)
    first_s = play_until(3)
    gap(4)  # it was too early
    second_s = play_until(5)
    assert portaudio.latencies == ["low", 0.03, "low", 0.03, "low"]
    assert 0.25 < first_s < second_s and second_s > 0.5
    assert own.reopened == 2  # what was exchanged was not lost
    own.close()


def test_a_loss_without_an_underrun_keeps_the_short_buffer(portaudio):
    own = sink()
    own.start()
    portaudio.streams[0].active = False
    assert wait_for(lambda: own.reopened == 1)
    assert portaudio.latencies == ["low", "low"]
    own.close()


def test_a_stream_that_plays_is_left_alone(portaudio):
    own, clock = sink(), SystemClock()
    own.start()
    moment = type("Time", (), {"currentTime": 5.0, "outputBufferDacTime": 5.01})
    fine = type("Status", (), {"output_underflow": False})
    block = np.zeros((480, 2), np.float32)
    for _ in range(60):
        portaudio.streams[0].callback(block, 480, moment, fine)
        clock.sleep(0.01)
    assert (own.reopened, own.xruns, len(portaudio.streams)) == (0, 0, 1)
    own.close()


def test_a_device_without_a_clock_is_left_alone_between_tries(portaudio, monkeypatch):
    monkeypatch.setattr(output, "_PACE_S", 0.05)
    monkeypatch.setattr(output, "_RUNAWAY", 1.5)
    monkeypatch.setattr(output, "_LONGEST_PAUSE_S", 0.2)
    own, ending = sink(), threading.Event()
    own.start()
    moment = SimpleNamespace(currentTime=5.0, outputBufferDacTime=5.01)
    status = SimpleNamespace(output_underflow=False)
    block = np.zeros((480, 2), np.float32)

    def spin():
        while not ending.is_set():
            stream = portaudio.streams[-1]
            if not stream.closed:
                stream.callback(block, 480, moment, status)
            ending.wait(0.0001)  # the others must come to their turn

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        assert wait_for(lambda: own.note is not None and portaudio.streams[0].closed)
        assert own.note == "pulse (ALSA) has no clock, so nothing is heard; trying again"
    finally:
        ending.set()
        thread.join(5)
    assert wait_for(lambda: own.reopened >= 1 and not own.lost)
    assert own.note is None
    own.close()


def test_an_open_that_hangs_does_not_hang_the_sink(portaudio, monkeypatch):
    monkeypatch.setattr("sonar.audio.portaudio.PATIENCE_S", 0.05)
    portaudio.hang = threading.Event()
    with pytest.raises(DeviceError, match="did not answer"):
        sink().start()
    portaudio.hang.set()


def test_a_device_that_refuses_is_told_in_one_sentence(portaudio):
    portaudio.refuse = 99
    with pytest.raises(DeviceError, match="'pulse' cannot be opened: Device unavailable"):
        sink().start()


def test_no_device_means_silence_that_says_so_unless_one_was_demanded(portaudio):
    portaudio.names = ["HDMI 0"]
    quiet = open_sink(AUDIO, Mixer(AUDIO, SPEECH), SystemClock())
    assert isinstance(quiet, NullSink)
    assert quiet.note == "No sound: there is no sound device; see `sonar devices`"
    demanded = AUDIO.model_copy(update={"output": "device"})
    with pytest.raises(DeviceError):
        open_sink(demanded, Mixer(AUDIO, SPEECH), SystemClock())


def test_the_sink_that_was_asked_for(portaudio):
    assert isinstance(open_sink(AUDIO, Mixer(AUDIO, SPEECH), SystemClock()), DeviceSink)
    null = AUDIO.model_copy(update={"output": "null"})
    assert isinstance(open_sink(null, Mixer(null, SPEECH), SystemClock()), NullSink)


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
    late = realtime.Lateness()
    for block in range(200_000):
        now_s = 0.01 * block
        late.note(5.0 + now_s * (1 - 5e-4), now_s, now_s + 0.001, 0.01, 0.02)
        assert not late.recent
    late.note(5.0 + 2000.0 * (1 - 5e-4) - 0.02, 2000.0, 2000.001, 0.01, 0.02)
    assert late.recent
    silent = realtime.Lateness()  # a device that does not tell its time
    for block in range(100):
        silent.note(0.0, 0.01 * block, 0.01 * block + 0.001, 0.01, 0.02)
    assert not silent.recent


def test_threads_take_turns_quickly_only_while_it_plays(portaudio):
    before_s = sys.getswitchinterval()
    own = sink()
    own.start()
    assert sys.getswitchinterval() == pytest.approx(min(before_s, realtime.SWITCH_S))
    own.close()
    assert sys.getswitchinterval() == before_s


def test_the_audio_thread_asks_for_its_place_once_a_stream(portaudio, monkeypatch):
    asked = []
    monkeypatch.setattr(output, "make_urgent", lambda: asked.append(1) is None)
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


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="needs Linux")
def test_the_place_is_that_of_one_thread_and_may_be_refused(monkeypatch):
    found = []

    def ask():
        found.append((realtime.make_urgent(), os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(5)
    urgent, policy = found[0]
    assert policy == (os.SCHED_RR if urgent else os.SCHED_OTHER)
    assert os.sched_getscheduler(0) == os.SCHED_OTHER  # this thread's own

    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert realtime.make_urgent() is False
