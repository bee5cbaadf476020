"""Choosing a device, a stream that is lost, and a device's time: without PortAudio."""

import sys
import threading

import pytest
from fake_portaudio import sink, wait_for
from hearing import AUDIO, SPEECH, pulse

from sonar.audio.output import NullSink
from sonar.audio.output import device as output
from sonar.audio.output.device import DeviceSink, OutputDevice, choose_output, open_sink
from sonar.audio.synthesis import Mixer
from sonar.clock import SystemClock
from sonar.errors import DeviceError

pytestmark = pytest.mark.realtime


def device(index, name, default=False) -> OutputDevice:
    return OutputDevice(index, name, "ALSA", default)


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
        ([HDMI, SPEAKERS], "hdmi", HDMI),
        ([HDMI, SPEAKERS, HEADSET], "HEADSET", HEADSET),
    ],
)
def test_the_chosen_device(devices, pattern, chosen):
    assert choose_output(devices, pattern) == chosen


@pytest.mark.parametrize("devices", [[HDMI], []])
def test_no_device_that_may_be_taken_unasked_is_none(devices):
    with pytest.raises(DeviceError, match="no sound device; see `sonar devices`"):
        choose_output(devices, None)


def test_a_name_that_no_device_has_is_reported_with_those_there_are():
    with pytest.raises(DeviceError, match="'sony'; there are: pulse"):
        choose_output([PULSE], "sony")


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


def test_a_stream_that_an_underrun_silenced_is_opened_with_a_longer_buffer(portaudio):
    own = sink()
    own.start()
    for life in range(5):
        assert wait_for(lambda life=life: own.reopened == life and not own.lost)
        portaudio.streams[-1].play(gap=True)
    assert wait_for(lambda: own.reopened == 5)
    assert portaudio.latencies == ["low", 0.03, 0.06, 0.06, 0.06, 0.06]
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
    for _ in range(60):
        portaudio.streams[0].play()
        clock.sleep(0.01)
    assert (own.reopened, own.xruns, len(portaudio.streams)) == (0, 0, 1)
    own.close()


def test_a_device_without_a_clock_is_left_alone_between_tries(portaudio, monkeypatch):
    monkeypatch.setattr(output, "_RUNAWAY", 1.5)
    monkeypatch.setattr(output, "_LONGEST_PAUSE_S", 0.2)
    own, ending = sink(), threading.Event()
    own.start()

    def spin():
        while not ending.is_set():
            stream = portaudio.streams[-1]
            if not stream.closed:
                stream.play()
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


def test_a_device_that_loses_its_clock_later_is_noticed_within_seconds(portaudio, monkeypatch):
    monkeypatch.setattr(output, "_RUNAWAY", 5.0)
    monkeypatch.setattr(output, "_LONGEST_PAUSE_S", 0.05)
    own = sink()
    own.start()
    stream, clock = portaudio.streams[0], SystemClock()
    for _ in range(50):  # 0.5 s at about its own pace
        stream.play()
        clock.sleep(0.01)
    assert own.reopened == 0
    for _ in range(400):  # 4 s of sound at once
        stream.play()
    assert wait_for(lambda: own.reopened >= 1)
    own.close()


def test_an_open_that_hangs_does_not_hang_the_sink(portaudio, monkeypatch):
    monkeypatch.setattr("sonar.audio.output.device.PATIENCE_S", 0.05)
    portaudio.hang = threading.Event()
    with pytest.raises(DeviceError, match="did not answer"):
        sink().start()
    portaudio.hang.set()


def test_a_stream_that_opens_after_its_limit_is_closed_and_plays_nothing(portaudio, monkeypatch):
    monkeypatch.setattr("sonar.audio.output.device.PATIENCE_S", 0.05)
    portaudio.hang = threading.Event()
    late = sink()
    with pytest.raises(DeviceError, match="did not answer"):
        late.start()
    portaudio.hang.set()
    assert wait_for(lambda: portaudio.streams and portaudio.streams[0].closed)
    portaudio.hang = None
    late.start()
    # two streams would share one mixer
    assert not portaudio.streams[0].play().any() and late._mixer.rendered == 0
    portaudio.streams[1].play()
    assert late._mixer.rendered == 480
    late.close()
    assert portaudio.streams[1].closed


def test_a_stream_that_cannot_be_closed_keeps_nothing_else_open(portaudio):
    before_s = sys.getswitchinterval()
    own = sink()
    own.start()

    def broken(ignore_errors=True):
        raise RuntimeError("driver")

    portaudio.streams[0].close = broken
    own.close()
    assert own._thread is None and sys.getswitchinterval() == before_s
    assert "driver" in own.note


def test_a_watcher_that_fails_goes_on_watching(portaudio, monkeypatch):
    own = sink()
    listed, failed = portaudio.query_devices, threading.Event()

    def broken():
        monkeypatch.setattr(portaudio, "query_devices", listed)
        failed.set()
        raise KeyError("index")

    own.start()
    monkeypatch.setattr(portaudio, "query_devices", broken)
    portaudio.streams[0].active = False
    assert wait_for(lambda: own.reopened == 1 and not own.lost)
    assert failed.is_set()
    own.close()


def test_a_device_that_refuses_is_reported_in_one_sentence(portaudio):
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
    assert portaudio.streams[-1].play(gap=True, ahead_s=0.25).any()
    own.close()
    assert own.status.ages_s == pytest.approx([0.25], abs=0.05)
    assert own.xruns == 1


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
    for _ in range(3):
        portaudio.streams[0].play()
    assert len(asked) == 1
    portaudio.streams[0].active = False
    assert wait_for(lambda: own.reopened == 1)
    portaudio.streams[1].play()
    assert len(asked) == 2
    own.close()
