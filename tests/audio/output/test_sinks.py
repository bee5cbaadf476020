"""Files and silence: exact lengths, valid at every moment, ages measured."""

import resource
import wave
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from hearing import AUDIO, RATE, SPEECH, onsets, pulse, rms_db, stop

from sonar.audio.output import NullSink, sinks
from sonar.audio.output.sinks import WavSink
from sonar.audio.synthesis import Mixer
from sonar.clock import SystemClock
from sonar.errors import OutputError, SourceError
from sonar.testing.audio import CollectSink, ToneSpeaker
from sonar.types import Cue, CueKind

SILENCE = Cue(CueKind.SILENCE)


def mixer() -> Mixer:
    return Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))


def read(path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        data = file.readframes(file.getnframes())
    return np.frombuffer(data, "<i2").reshape(-1, 2) / 32767


@contextmanager
def disk_full_at(size_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_frames_that_are_no_whole_samples_do_not_drift():
    sink = CollectSink(mixer())
    sink.start()
    for frame in range(1, 901):
        sink.advance(frame / 29.97)
        sink.post(SILENCE)
    assert sink.samples.shape == (round(900 / 29.97 * RATE), 2)
    sink.advance(1.0)  # the past is past
    assert sink.samples.shape[0] == round(900 / 29.97 * RATE)


def test_a_cue_is_heard_from_the_time_at_which_it_was_posted():
    sink = CollectSink(mixer())
    sink.start()
    sink.advance(1.2345)
    sink.post(stop())
    sink.advance(2.0)
    first = onsets(sink.samples)[0]
    assert 0 <= first - 1.2345 * RATE <= 480
    assert sink.cues[0][0] == pytest.approx(1.2345, abs=1 / RATE)


def test_a_wav_holds_what_was_rendered(tmp_path):
    path = tmp_path / "a.wav"
    blocks = []
    written = WavSink(mixer(), path, on_block=blocks.append)
    kept = CollectSink(mixer())
    for sink in (written, kept):
        sink.start()
        sink.post(pulse(pan=-1.0, rate_hz=8.0))
        sink.advance(0.5)
        sink.post(stop(pan=1.0))
        sink.advance(1.0)
        sink.close()
    assert np.abs(read(path) - kept.samples).max() < 1 / 32767
    assert np.array_equal(np.concatenate(blocks), kept.samples)


def test_a_wav_is_playable_after_every_step_without_being_closed(tmp_path):
    path = tmp_path / "a.wav"
    sink = WavSink(mixer(), path)
    sink.start()
    assert read(path).shape[0] == 0
    for step in range(1, 6):
        sink.post(stop())
        sink.advance(step * 0.1)
        assert read(path).shape[0] == round(step * 0.1 * RATE)


def test_a_disk_that_is_full_at_the_end_is_reported_once(tmp_path):
    sink = WavSink(mixer(), tmp_path / "a.wav")
    sink.start()
    sink.post(stop())
    sink.advance(0.05)
    size = (tmp_path / "a.wav").stat().st_size + 1001
    with disk_full_at(size), pytest.raises(OutputError, match="cannot write"):
        sink.close()
    sink.close()
    assert read(tmp_path / "a.wav").shape[0] == round(0.05 * RATE)


def test_draining_lets_the_goodbye_be_heard():
    sink = CollectSink(mixer())
    sink.start()
    sink.post(Cue(CueKind.EARCON, earcon="stopped", phrase="state_stopped"))
    sink.drain(3.0)
    assert 0.45 * RATE <= sink.samples.shape[0] < 0.7 * RATE
    sink.close()
    assert not sink.samples[-10:].any()


def test_draining_has_a_limit():
    sink = CollectSink(Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, seconds=5.0)))
    sink.start()
    sink.post(replace(SILENCE, phrase="stop"))
    sink.drain(0.8)
    assert sink.samples.shape[0] == round(0.8 * RATE)


def test_closing_fades_out_and_may_be_done_twice(tmp_path):
    path = tmp_path / "a.wav"
    sink = WavSink(mixer(), path)
    sink.close()
    sink.start()
    sink.post(stop())
    sink.advance(0.5)
    sink.close()
    sink.close()
    samples = read(path)
    assert samples.shape[0] == round(0.53 * RATE)
    assert np.abs(samples[-48:]).max() < 1e-3


def test_a_full_disk_is_reported_and_leaves_a_playable_file(tmp_path):
    path = tmp_path / "a.wav"
    sink = WavSink(mixer(), path)
    sink.start()
    sink.post(stop())
    sink.advance(0.3)
    with disk_full_at(100_001), pytest.raises(OutputError, match=r"cannot write .*a\.wav"):
        sink.advance(5.0)
    sink.advance(6.0)  # nothing more, and no second error
    sink.close()
    samples = read(path)
    assert 0.3 * RATE <= samples.shape[0] <= (100_001 - 44) // 4
    assert rms_db(samples)[0] > -30


@pytest.mark.parametrize("where", ["missing/a.wav", "."])
def test_a_file_that_cannot_be_made_is_reported(tmp_path, where):
    with pytest.raises(OutputError, match="cannot write"):
        WavSink(mixer(), tmp_path / where).start()


def test_the_null_sink_keeps_the_pace_and_measures_ages():
    clock, own = SystemClock(), mixer()
    sink = NullSink(own, clock)
    sink.start()
    begun = clock.now()
    for frame in range(20):
        captured_t = clock.now()
        sink.post(pulse(pan=(-1.0) ** frame, frame_id=frame, t=captured_t))
        clock.sleep(0.03)
    passed_s = clock.now() - begun
    sink.close()
    sink.close()
    assert own.rendered / RATE == pytest.approx(passed_s, abs=0.15)
    ages_s = sink.status.ages_s
    assert 10 <= ages_s.size <= 20
    assert 0.0 <= np.median(ages_s) < 0.05


def test_the_null_sink_waits_for_a_goodbye():
    clock, own = SystemClock(), mixer()
    sink = NullSink(own, clock)
    sink.start()
    sink.post(replace(SILENCE, earcon="confirm"))
    sink.drain(2.0)
    assert not own.busy
    sink.close()


def test_a_wav_ends_at_4_gb_with_a_sentence_and_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(sinks, "MOST_BYTES", 4 * RATE)
    path = tmp_path / "long.wav"
    sink = WavSink(mixer(), path)
    sink.start()
    sink.advance(0.9)
    with pytest.raises(OutputError, match="a WAV file holds 4 GB; what came before is in it"):
        sink.advance(1.1)
    sink.advance(1.2)
    sink.close()
    assert 0.9 * RATE <= read(path).shape[0] <= RATE
    assert path.stat().st_size <= 4 * RATE


@pytest.mark.parametrize("t", [1e12, float("nan"), float("inf")])
def test_a_leap_in_time_is_not_rendered(tmp_path, t):
    """A broken time stamp in an MKV asked for 326 TB of sound."""
    path = tmp_path / "a.wav"
    sink = WavSink(mixer(), path)
    sink.start()
    sink.advance(1.0)
    with pytest.raises(SourceError, match="jump"):
        sink.advance(t)
    sink.close()
    assert read(path).shape[0] == pytest.approx(1.03 * RATE, abs=1)
