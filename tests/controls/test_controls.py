"""Commands while running, and what is heard of them."""

import numpy as np
import pytest

from sonar.audio.cues import PulseMapper
from sonar.audio.synthesis import Mixer, render_earcons
from sonar.controls.controls import Controls
from sonar.testing.audio import ToneSpeaker
from sonar.types import Band, CueKind, Reason, Scene
from tests.audio.hearing import (
    AUDIO,
    RATE,
    SPEECH,
    heard_in,
    onsets,
    render,
    rms_db,
    scene,
    stop,
)

CLOSE, STOP = (Band.CLOSE, 0.7), (Band.STOP, 0.9)


class Rig:
    """A mixer, a mapper and the controls, driven at 20 scenes a second."""

    def __init__(self, **audio):
        config = AUDIO.model_copy(update=audio)
        self.mixer = Mixer(config, SPEECH, ToneSpeaker(RATE, seconds=0.2))
        self.mapper = PulseMapper(config, SPEECH)
        self.controls = Controls(self.mixer, self.mapper, config.volume_db)
        self.t = 0.0

    def walk(self, seconds, *zones):
        heard = []
        for _ in range(round(seconds * 20)):
            self.mixer.post(self.mapper.update(scene(*zones, t=self.t)))
            heard.append(render(self.mixer, 0.05))
            self.t += 0.05
        return np.concatenate(heard)

    def said(self):
        return [key for _, key in self.mixer.spoken()]


def test_muted_is_silent_but_for_a_tick_every_ten_seconds():
    rig = Rig()
    rig.walk(1.0, CLOSE)
    assert rig.controls("mute") == "ok muted"
    rig.walk(1.0, CLOSE)  # the answer
    assert rig.said()[-1] == "control_muted"
    silence = rig.walk(20.0, CLOSE)
    assert onsets(silence, quiet_s=1.0).size == 2
    assert np.abs(silence[: 8 * RATE]).max() == 0.0
    assert rig.controls("mute") == "ok sound on"
    rig.walk(1.0, CLOSE)
    assert rig.said() == ["control_unmuted"]
    assert rms_db(rig.walk(1.0, CLOSE))[0] > -40


def test_dangers_are_heard_muted():
    rig = Rig()
    rig.controls("mute")
    rig.walk(1.0, CLOSE)
    rig.said()
    assert rms_db(rig.walk(1.0, STOP))[0] > -25
    assert rig.said() == ["stop_left"]
    rig.walk(0.2)
    assert not rig.walk(1.0).any()


def test_that_no_frame_comes_is_announced_once_muted():
    rig = Rig()
    rig.controls("mute")
    rig.walk(1.0)
    heard = []
    for step in range(100):
        t = rig.t + step / 20
        rig.mixer.post(rig.mapper.update(Scene.unknown(step, t, Reason.COVERED)))
        heard.append(render(rig.mixer, 0.05))
    samples = np.concatenate(heard)
    assert onsets(samples, quiet_s=0.5).size == 1
    assert heard_in(samples, render_earcons(RATE)["unknown"]) > 0.2


def test_volume_steps_are_gains_and_answered():
    rig = Rig()
    rig.walk(0.5, CLOSE)
    before = rms_db(rig.walk(2.0, CLOSE))
    assert rig.controls("volume -10") == "ok volume -10 dB"
    rig.walk(0.5, CLOSE)
    after = rms_db(rig.walk(2.0, CLOSE))
    assert after - before == pytest.approx(-10.0, abs=0.5)


def test_the_volume_has_limits_that_are_announced():
    rig = Rig()
    assert rig.controls("volume 99") == "ok volume 12 dB"
    rig.walk(1.0)
    assert rig.said() == ["control_volume_limit"]


def test_schemes_and_verbosity_change_while_running():
    rig = Rig()
    rig.walk(0.1, CLOSE)
    assert rig.controls("scheme quiet") == "ok scheme quiet"
    assert rig.mapper.update(scene(CLOSE, t=1.0)).kind is CueKind.SILENCE
    assert rig.controls("scheme continuous") == "ok scheme continuous"
    assert rig.mapper.update(scene(CLOSE, t=1.1)).kind is CueKind.CONTINUOUS
    assert rig.controls("scheme moo").startswith("refused")
    assert rig.controls("verbosity danger") == "ok verbosity danger"
    assert rig.mapper.update(scene(CLOSE, t=30.0)).phrase is None
    assert rig.controls("verbosity moo").startswith("refused")


def test_what_is_around_me_is_said_side_by_side():
    rig = Rig()
    assert rig.controls("describe") == "refused nothing was seen yet"
    near = (Band.NEAR, 0.4, {"distance_m": 1.9})
    rig.walk(3.2, near)
    rig.said()
    sentence = rig.controls("describe")
    rig.walk(2.5, near)
    assert sentence == "ok near on the left at 1.9 meters, clear ahead, clear on the right"
    assert rig.said() == [
        *("side_left", "band_near", "metres_2_0"),
        *("side_center", "band_clear", "side_right", "band_clear"),
    ]


def test_the_last_phrase_is_repeated():
    rig = Rig()
    assert rig.controls("repeat") == "ok nothing to repeat"
    rig.walk(0.5)
    rig.walk(1.0, CLOSE)
    assert rig.controls("repeat") == "ok close_left"
    rig.walk(1.0, CLOSE)
    assert rig.said() == ["control_nothing_to_repeat", "close_left", "close_left"]


def test_one_ear_hears_the_side_from_the_pitch():
    """Falling for left, level for center, rising for right; both channels alike."""
    slopes = []
    for zones in [(CLOSE,), ((Band.CLEAR, 0.0), CLOSE), ((Band.CLEAR, 0.0),) * 2 + (CLOSE,)]:
        rig = Rig(mono=True)
        cue = rig.mapper.update(scene(*zones))
        rig.mixer.post(cue)
        wave = render(rig.mixer, 0.1)
        assert np.array_equal(wave[:, 0], wave[:, 1])
        halves = [_fundamental(part) for part in (wave[480:2400, 0], wave[2400:4320, 0])]
        slopes.append(halves[1] / halves[0])
    assert slopes[0] < 0.95
    assert slopes[1] == pytest.approx(1.0, abs=0.03)
    assert slopes[2] > 1.05


def _fundamental(wave):
    """Where the fundamental lies: the strongest partial between 250 and 750 Hz."""
    power = np.abs(np.fft.rfft(wave * np.hanning(wave.size), 1 << 16)) ** 2
    frequency = np.fft.rfftfreq(1 << 16, 1 / RATE)
    inside = np.flatnonzero((frequency > 250) & (frequency < 750))
    return float(frequency[inside[np.argmax(power[inside])]])


def test_the_continuous_scheme_rises_and_swells_with_nearness_and_stop_is_louder():
    mapper = PulseMapper(AUDIO.model_copy(update={"scheme": "continuous"}), SPEECH)
    bands = [(Band.FAR, 0.1), (Band.NEAR, 0.4), (Band.CLOSE, 0.8)]
    cues = [mapper.update(scene(zone, t=i * 10.0)) for i, zone in enumerate(bands)]
    pitches = [cue.pitch_hz for cue in cues]
    levels = [cue.level_db for cue in cues]
    assert pitches == sorted(pitches)
    assert levels == sorted(levels)
    assert 220.0 <= pitches[0] < pitches[-1] <= 880.0
    last = Mixer(AUDIO, SPEECH, max_duty=1.0)
    last.post(cues[-1])
    danger = Mixer(AUDIO, SPEECH, max_duty=1.0)
    danger.post(stop(pan=-1.0))
    assert _swing(render(danger, 1.0)[:, 0]) > 8 * _swing(render(last, 1.0)[:, 0])


def _swing(wave):
    """How much the pitch moves: spread of the centroid over 25 ms windows, in Hz."""
    windows = wave[4800:].astype(float)[: 36 * 1200].reshape(-1, 1200)
    power = np.abs(np.fft.rfft(windows * np.hanning(1200), 1 << 14)) ** 2
    frequency = np.fft.rfftfreq(1 << 14, 1 / RATE)
    inside = (frequency > 400) & (frequency < 1200)
    centers = (power * frequency)[:, inside].sum(axis=1) / power[:, inside].sum(axis=1)
    return float(np.std(centers))
