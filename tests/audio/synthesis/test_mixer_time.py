"""What is heard when: earcons, speech, ducking, priorities, staleness, nothing lost or late."""

from dataclasses import replace

import numpy as np
import pytest
from hearing import AUDIO, RATE, SPEECH, heard_in, onsets, pulse, render, rms_db, stop

from sonar.audio.synthesis import EARCONS, Mixer, render_earcons
from sonar.testing.audio import ToneSpeaker
from sonar.types import Cue, CueKind, Priority

SILENCE = Cue(CueKind.SILENCE)


def earcon(name: str, rate_hz: float = 0.0, **more) -> Cue:
    return Cue(CueKind.EARCON, earcon=name, rate_hz=rate_hz, **more)


@pytest.mark.parametrize("name", sorted(EARCONS))
def test_an_earcon_is_heard_once_and_whole(name):
    clip = render_earcons(RATE)[name]
    mixer = Mixer(AUDIO, SPEECH)
    cue = earcon(name, pan=-1.0)
    heard = []
    for _ in range(120):  # the cue lasts, the earcon does not
        mixer.post(cue)
        heard.append(render(mixer, 0.01))
    samples = np.concatenate(heard)
    assert heard_in(samples, clip) == pytest.approx(1.0, abs=0.01)
    energy = np.square(samples[:, 0].astype(float)).sum()
    assert energy == pytest.approx(np.square(clip.astype(float)).sum(), rel=0.01)


def test_earcons_cannot_be_taken_for_each_other():
    clips = render_earcons(RATE)
    for name, clip in clips.items():
        for other, probe in clips.items():
            if name != other:
                shape = np.zeros((clip.size + probe.size, 2))
                shape[: clip.size, 0] = clip
                energy = np.sqrt(np.square(clip).sum() / np.square(probe).sum())
                assert heard_in(shape, probe) / energy < 0.75, (name, other)


def test_an_unknown_earcon_is_refused():
    with pytest.raises(ValueError, match="no earcon 'moo'"):
        Mixer(AUDIO, SPEECH).post(earcon("moo"))


def test_a_lasting_earcon_repeats_at_its_rate_while_frames_come():
    mixer = Mixer(AUDIO, SPEECH)
    heard = []
    for _ in range(300):
        mixer.post(earcon("unknown", 0.5))
        heard.append(render(mixer, 1 / 30))
    begins = onsets(np.concatenate(heard), quiet_s=0.5) / RATE
    assert begins == pytest.approx([0, 2, 4, 6, 8], abs=0.006)


def test_an_earcon_and_a_phrase_between_two_blocks_are_not_lost():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    mixer.post(pulse(earcon="head", phrase="head_left", frame_id=1, t=0.00))
    mixer.post(pulse(frame_id=2, t=0.03))
    mixer.post(SILENCE)
    samples = render(mixer, 0.5)
    assert heard_in(samples, render_earcons(RATE)["head"]) > 0.1  # ducked
    assert [key for _, key in mixer.spoken()] == ["head_left"]


def test_a_danger_between_two_blocks_is_heard_before_what_followed():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(stop(pan=-1.0))
    mixer.post(SILENCE)
    samples = render(mixer, 0.5)
    assert rms_db(samples[: RATE // 10])[0] > -30
    assert not samples[RATE // 4 :].any()


def test_cues_from_before_a_lost_device_are_not_played_when_it_is_back():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE))
    mixer.post(stop(earcon="drop_off", phrase="stop", frame_id=1, t=10.0))
    mixer.post(replace(SILENCE, frame_id=2, t=15.0))
    assert not render(mixer, 1.0).any()
    assert not mixer.spoken()


def test_pulses_wait_for_an_earcon_and_then_go_on():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(rate_hz=4.0, earcon="head"))
    samples = render(mixer, 1.0)
    alone = Mixer(AUDIO, SPEECH)
    alone.post(earcon("head"))
    size = render_earcons(RATE)["head"].size
    assert np.array_equal(samples[:size], render(alone, 1.0)[:size])
    begins = onsets(samples[size:], quiet_s=0.02)
    assert begins[0] < 480
    assert np.diff(begins) == pytest.approx(RATE / 4, abs=2)


@pytest.mark.parametrize(("name", "difference_db"), [("head", 30.0), ("unknown", 0.0)])
def test_only_what_is_about_the_obstacle_is_heard_from_its_side(name, difference_db):
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(pulse(pan=1.0, level_db=-10.0, earcon=name))
    samples = render(mixer, render_earcons(RATE)[name].size / RATE)
    left_db, right_db = rms_db(samples)
    assert right_db - left_db == pytest.approx(difference_db, abs=0.2)


def test_a_danger_earcon_cuts_off_another_within_a_block():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(earcon("stopped"))
    render(mixer, 0.1)
    mixer.post(earcon("drop_off", 1.0, priority=Priority.DANGER))
    samples = render(mixer, 0.3)
    alone = Mixer(AUDIO, SPEECH)
    alone.post(earcon("drop_off", 1.0, priority=Priority.DANGER))
    assert np.abs(samples - render(alone, 0.3))[RATE // 100 :].max() < 1e-6


def test_an_equal_earcon_waits_its_turn():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(earcon("ready", pan=-1.0))
    render(mixer, 0.1)
    mixer.post(earcon("guiding", pan=-1.0))
    samples = render(mixer, 1.0)
    assert heard_in(samples, render_earcons(RATE)["guiding"]) == pytest.approx(1.0, abs=0.05)
    assert onsets(samples, quiet_s=0.3).size == 1


def test_a_hung_pipeline_is_heard():
    mixer = Mixer(AUDIO, SPEECH, ToneSpeaker(RATE), stale_s=1.0)
    mixer.post(replace(SILENCE, frame_id=3, t=0.1))
    samples = render(mixer, 6.0)
    begins = onsets(samples, quiet_s=0.6) / RATE
    assert begins == pytest.approx([1.0, 3.0, 5.0], abs=0.012)
    assert heard_in(samples[2 * RATE :], render_earcons(RATE)["unknown"]) > 0.5
    assert [key for _, key in mixer.spoken()] == ["unknown_stale"]


def test_a_hung_pipeline_is_heard_instead_of_the_last_danger():
    mixer = Mixer(AUDIO, SPEECH, stale_s=0.5)
    mixer.post(stop())
    render(mixer, 1.0)
    assert onsets(render(mixer, 4.0), quiet_s=0.5).size == 2


def test_a_cue_ends_the_stale_warning():
    mixer = Mixer(AUDIO, SPEECH, stale_s=0.5)
    mixer.post(SILENCE)
    render(mixer, 1.0)
    mixer.post(SILENCE)
    render(mixer, 0.4)
    mixer.post(SILENCE)
    assert not render(mixer, 0.4).any()


@pytest.mark.parametrize("cue", [None, earcon("loading", 0.5), earcon("stopped")])
def test_nobody_is_called_hung_before_guiding_or_after_it(cue):
    mixer = Mixer(AUDIO, SPEECH, stale_s=0.5)
    if cue is not None:
        mixer.post(cue)
    samples = render(mixer, 5.0)
    assert heard_in(samples, render_earcons(RATE)["unknown"]) < 0.5


def test_fading_out_is_quick_and_lasts():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(stop())
    render(mixer, 0.5)
    mixer.fade_out()
    assert not render(mixer, 0.5)[RATE // 30 :].any()


def test_when_a_cue_became_sound_is_noted_to_the_sample():
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(replace(SILENCE, frame_id=1, t=0.1))  # no change: it was silent before
    render(mixer, 0.1)
    mixer.post(pulse(frame_id=2, t=0.2))
    render(mixer, 0.1)
    mixer.post(pulse(frame_id=3, t=0.3))  # the same sound
    render(mixer, 0.1)
    mixer.post(pulse(pan=-1.0, frame_id=4, t=0.4))
    render(mixer, 0.1)
    assert [(onset.frame_id, onset.sample) for onset in mixer.onsets] == [(2, 4800), (4, 14400)]
