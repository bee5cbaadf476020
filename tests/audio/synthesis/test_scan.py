"""The scan: from the frame's columns to what is heard when, where and how loud."""

import numpy as np
import pytest
from hearing import AUDIO, CLEAR, RATE, SPEECH, biggest_bend, cents, pitch_hz, render, scene

from sonar import app
from sonar.audio.cues import SCHEMES, PulseMapper
from sonar.audio.synthesis import Mixer
from sonar.audio.synthesis.waves import pan_gain
from sonar.capture.synthetic import Box, Camera, SyntheticScene, SyntheticSource, floor
from sonar.clock import ManualClock
from sonar.config import MountConfig, SonarConfig, ZonesConfig
from sonar.records import Step
from sonar.testing.audio import CollectSink
from sonar.types import Band, Column, Cue, CueKind, Reason, Scene
from sonar.zones import DepthZones
from tests.exact import ExactDepth

SCAN = AUDIO.model_copy(update={"scheme": "scan"})
NOTHING = Column(0.0, 0.0)


def scan_of(columns):
    mixer = Mixer(AUDIO, SPEECH)
    mixer.post(Cue(CueKind.SCAN, columns=tuple(columns)))
    return mixer


def only(index, count=24):
    return [Column(0.6, 0.5) if i == index else NOTHING for i in range(count)]


def times_s(samples):
    loud = np.flatnonzero(np.abs(samples).max(axis=1) > 1e-3)
    return loud[0] / RATE, loud[-1] / RATE


@pytest.mark.parametrize("index", [0, 5, 12, 23])
def test_a_column_is_heard_when_and_where_it_is(index):
    samples = render(scan_of(only(index)), 1.0)
    begin, end = times_s(samples)
    assert begin == pytest.approx(index / 24 * 0.8, abs=0.006)
    assert -0.006 <= end - (index + 1) / 24 * 0.8 <= 0.03  # and fades
    energy = np.square(samples.astype(float)).sum(axis=0)
    pan = 2 * (index + 0.5) / 24 - 1
    wanted = 20 * np.log10(pan_gain(pan, AUDIO.pan_db) / pan_gain(-pan, AUDIO.pan_db))
    assert 10 * np.log10(energy[0] / energy[1]) == pytest.approx(wanted, abs=1.0)


def test_it_begins_anew_once_a_second_after_a_pause():
    samples = render(scan_of([Column(0.5, 0.5)] * 24), 3.0)
    loud = np.abs(samples).max(axis=1).reshape(-1, 240).max(axis=1) > 1e-3
    begins = np.flatnonzero(np.diff(loud.astype(int)) == 1) * 0.005
    assert np.diff(begins) == pytest.approx(1.0, abs=0.006)
    assert 0.79 < loud.mean() < 0.85


def test_nearer_is_louder_and_higher_up_is_higher():
    def level(proximity):
        return np.abs(render(scan_of([Column(proximity, 0.5)] * 24), 0.8)).max()

    levels = [level(p) for p in (0.05, 0.3, 0.6, 1.0)]
    assert levels == sorted(levels)
    assert 20 * np.log10(levels[-1] / levels[0]) == pytest.approx(0.95 * 30.0, abs=1.0)
    for elevation, wanted in ((0.0, 250.0), (0.5, 500.0), (1.0, 1000.0)):
        wave = render(scan_of([Column(1.0, elevation)] * 24), 0.7)[4800:].astype(float).sum(axis=1)
        assert abs(cents(pitch_hz(wave, wanted), wanted)) < 5


def test_random_scans_do_not_click():
    generator = np.random.default_rng(5)
    mixer = Mixer(AUDIO, SPEECH)
    heard = []
    for _ in range(60):
        columns = [
            Column(float(p) if p > 0.4 else 0.0, float(e)) for p, e in generator.random((24, 2))
        ]
        mixer.post(Cue(CueKind.SCAN, columns=tuple(columns)))
        heard.append(render(mixer, 0.05))
    steady = Mixer(AUDIO, SPEECH)
    steady.post(Cue(CueKind.SCAN, columns=(Column(1.0, 1.0),) * 24))
    assert biggest_bend(np.concatenate(heard)) < 1.3 * biggest_bend(render(steady, 0.8)[4800:])


def test_the_scan_gives_way_to_danger_and_to_not_knowing():
    mapper = PulseMapper(SCAN, SPEECH)
    profile = tuple(only(3))
    assert mapper.update(scene(profile=profile)).kind is CueKind.SCAN
    stop = mapper.update(scene((Band.STOP, 0.95), t=0.1, profile=profile))
    assert stop.kind is CueKind.CONTINUOUS
    drop = mapper.update(scene(t=0.2, drop_off=True, drop_off_distance_m=1.0, profile=profile))
    assert drop.earcon == "drop_off"
    blind = mapper.update(Scene.unknown(9, 0.3, Reason.COVERED))
    assert blind.kind is CueKind.EARCON
    half = mapper.update(scene((Band.UNKNOWN, 0.0), t=9.0, profile=profile))
    assert half.kind is CueKind.SCAN
    assert half.earcon == "unknown"
    assert mapper.update(scene(t=20.0, profile=(NOTHING,) * 24)).kind is CueKind.SILENCE
    mapper.scheme = "pulse"
    assert mapper.update(scene(t=21.0, profile=profile)).kind is CueKind.SILENCE


@pytest.mark.parametrize("profile", [(), (NOTHING,) * 24])
@pytest.mark.parametrize("scheme", [one for one in SCHEMES if one != "quiet"])
def test_what_is_close_pulses_in_any_scheme_where_there_is_nothing_to_scan(scheme, profile):
    mapper = PulseMapper(AUDIO.model_copy(update={"scheme": scheme}), SPEECH)
    close = (Band.CLOSE, 0.7)
    for i in range(40):
        cue = mapper.update(scene(CLEAR, CLEAR, close, t=i / 10, profile=profile))
        wanted = CueKind.CONTINUOUS if scheme == "continuous" else CueKind.PULSE
        assert (cue.kind, cue.pan) == (wanted, 1.0)


def test_the_scan_ends_with_its_cue():
    mixer = scan_of([Column(1.0, 0.5)] * 24)
    render(mixer, 0.4)
    mixer.post(Cue(CueKind.SILENCE))
    render(mixer, 0.03)
    assert not render(mixer, 1.0).any()


# -- from depth ----------------------------------------------------------------------------------


def profile_of(*boxes, frames=6, noise=0.01):
    """The last scene of a camera that looks at ``boxes``."""
    camera = Camera()
    source = SyntheticSource(
        SyntheticScene((floor(), *boxes), camera), rate_hz=10, frames=frames, size=(96, 128)
    )
    engine = ExactDepth(source, scale=5.0, shift=0.7, noise=noise)
    zones = DepthZones(ZonesConfig(), MountConfig(height_m=1.4, pitch_deg=10.0, hfov_deg=62.0))
    for frame in (source.frame_at(i) for i in range(frames)):
        seen = zones.update(engine.estimate(frame), frame)
    return seen


def post(x_m, y_m, low_m=0.0, high_m=1.6, half_m=0.2):
    return Box((x_m - half_m, y_m, low_m), (x_m + half_m, y_m + 0.3, high_m))


def test_the_profile_shows_each_obstacle_in_its_strip_though_it_is_beside_the_way():
    left, right = 1.2, 1.2
    columns = profile_of(post(-left, 2.5), post(right, 3.5)).profile
    assert len(columns) == 24
    near = [i for i, column in enumerate(columns) if column.proximity > 0.0]

    def strip(x_m, y_m):
        return 12 + 12 * (x_m / y_m) / np.tan(np.radians(31.0))

    found_left = [i for i in near if i < 12]
    found_right = [i for i in near if i >= 12]
    assert np.mean(found_left) + 0.5 == pytest.approx(strip(-left, 2.5), abs=1.0)
    assert np.mean(found_right) + 0.5 == pytest.approx(strip(right, 3.5), abs=1.0)
    far_m = ZonesConfig().bands.far_m
    nearest = max(columns[i].proximity for i in found_left)
    assert far_m * (1.0 - nearest) == pytest.approx(2.5, rel=0.2)
    assert nearest > max(columns[i].proximity for i in found_right)


def test_what_hangs_is_higher_than_what_lies():
    def elevation(box):
        columns = [c for c in profile_of(box).profile if c.proximity > 0]
        return float(np.mean([c.elevation for c in columns]))

    hanging = elevation(post(0.0, 2.0, 1.4, 1.75, half_m=0.5))
    lying = elevation(post(0.0, 2.0, 0.0, 0.35, half_m=0.5))
    assert hanging > lying + 0.3


def test_an_empty_floor_is_silent():
    assert all(c.proximity == 0.0 for c in profile_of().profile)


def test_the_whole_chain_scans_when_it_is_set_to_and_not_before():
    config = SonarConfig.model_validate({"speech": {"enabled": False}})
    source = SyntheticSource("box", rate_hz=10, frames=36, size=(96, 128))
    sinks = []

    def sink(mixer):
        sinks.append(CollectSink(mixer))
        return sinks[0]

    def change(update):
        if isinstance(update, Step) and update.frame.id == 15:
            assert len(update.scene.profile) == 24
            assert running.controls("scheme scan") == "ok scheme scan"

    running = app.assemble(config, source, sink, clock=ManualClock(), engine=ExactDepth(source))
    assert running.run(change).error is None
    kinds = [cue.kind for _, cue in sinks[0].cues if cue.frame_id >= 0]
    assert CueKind.SCAN not in kinds[:16]
    assert kinds.count(CueKind.SCAN) >= 6  # then the box is a stop
