"""When a phrase is said, waits, gives way or is left out."""

from dataclasses import replace

import numpy as np
import pytest
from hearing import AUDIO, RATE, SPEECH, band_power, render, rms_db, stop

from sonar.audio.synthesis import Mixer
from sonar.audio.synthesis.mixer import DUCK_DB
from sonar.testing.audio import ToneSpeaker
from sonar.types import Cue, CueKind

SILENCE = Cue(CueKind.SILENCE)


def test_tones_give_way_to_speech_and_come_back():
    speaker = ToneSpeaker(RATE, seconds=0.6)
    mixer = Mixer(AUDIO, SPEECH, speaker)
    mixer.post(stop())
    steady = render(mixer, 0.5)
    mixer.post(stop(phrase="stop"))
    spoken = render(mixer, 0.6)
    render(mixer, 0.2)
    after = render(mixer, 0.5)

    def tone(samples):
        return 10 * np.log10(band_power(samples[:, 0].astype(float), 500, 1900))

    assert tone(spoken[RATE // 10 : RATE // 2]) - tone(steady[RATE // 10 :]) == pytest.approx(
        DUCK_DB, abs=1.0
    )
    assert tone(after) == pytest.approx(tone(steady[RATE // 10 :]), abs=0.5)
    words = band_power(spoken[RATE // 10 : RATE // 2, 0].astype(float), 2990, 4010)
    assert words > band_power(spoken[RATE // 10 : RATE // 2, 0].astype(float), 500, 1900)


def test_a_danger_phrase_takes_over_within_fifty_milliseconds():
    speaker = ToneSpeaker(RATE, seconds=1.0)
    mixer = Mixer(AUDIO, SPEECH, speaker)
    mixer.post(replace(SILENCE, phrase="clear_ahead"))
    render(mixer, 0.3)
    mixer.post(replace(SILENCE, phrase="stop"))
    after = render(mixer, 0.5)[:, 0].astype(float)
    late = after[RATE // 20 :]
    for_info, for_danger = speaker.pitch_hz("clear_ahead"), speaker.pitch_hz("stop")
    old = band_power(late, for_info - 4, for_info + 4)
    new = band_power(late, for_danger - 4, for_danger + 4)
    assert new > 1e4 * old
    assert band_power(after[: RATE // 20], for_danger - 30, for_danger + 30) > 1e-5


def test_information_waits_for_what_is_being_said():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, seconds=0.5))
    mixer.post(replace(SILENCE, phrase="stop"))
    render(mixer, 0.1)
    mixer.post(replace(SILENCE, phrase="close_left"))
    render(mixer, 1.0)
    (first, stop_key), (second, close_key) = mixer.spoken()
    assert (stop_key, close_key) == ("stop", "close_left")
    assert second - first == pytest.approx(0.5, abs=0.01)


def test_nothing_is_said_late():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, seconds=1.2))
    mixer.post(replace(SILENCE, phrase="unknown_dark"))
    render(mixer, 0.1)
    mixer.post(replace(SILENCE, phrase="close_left"))  # may wait 1 s, would have to wait 1.1
    render(mixer, 3.0)
    assert [key for _, key in mixer.spoken()] == ["unknown_dark"]


def test_a_phrase_that_is_rendered_in_time_is_still_said():
    speaker = ToneSpeaker(RATE, missing=["close_left"])
    mixer = Mixer(AUDIO, SPEECH, speaker)
    mixer.post(replace(SILENCE, phrase="close_left"))
    render(mixer, 0.5)
    speaker.missing.clear()
    render(mixer, 0.1)
    assert [key for _, key in mixer.spoken()] == ["close_left"]


def test_a_phrase_never_rendered_is_dropped_and_tones_go_on():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, missing=["stop"]))
    mixer.post(stop(phrase="stop"))
    samples = render(mixer, 3.0)
    assert not mixer.spoken()
    assert (rms_db(samples[RATE:]) > -25).all()
    assert not mixer.busy


def test_speech_off_asks_for_nothing():
    speaker = ToneSpeaker(RATE)
    mixer = Mixer(AUDIO, SPEECH.model_copy(update={"enabled": False}), speaker)
    mixer.post(replace(SILENCE, phrase="stop"))
    assert not render(mixer, 0.2).any()
    assert not speaker.asked


def test_announced_phrases_follow_one_another():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, seconds=0.2))
    mixer.announce("confirm", "side_left", "band_near", "metres_2_0")
    assert mixer.busy
    render(mixer, 1.0)
    said = mixer.spoken()
    assert [key for _, key in said] == ["side_left", "band_near", "metres_2_0"]
    assert np.diff([t for t, _ in said]) == pytest.approx(0.2, abs=0.01)
    assert not mixer.spoken()
    assert not mixer.busy


def test_a_danger_ends_a_list():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE, seconds=0.4))
    mixer.announce(None, "side_left", "band_near", "metres_2_0")
    render(mixer, 0.1)
    mixer.post(stop(phrase="stop"))
    render(mixer, 3.0)
    assert [key for _, key in mixer.spoken()] == ["side_left", "stop"]


def test_announcing_what_does_not_exist_is_refused():
    mixer = Mixer(AUDIO, SPEECH)
    with pytest.raises(ValueError, match="no phrase"):
        mixer.announce(None, "moo")
    with pytest.raises(ValueError, match="no earcon"):
        mixer.announce("moo")
