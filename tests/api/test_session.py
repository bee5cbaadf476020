"""open, look, DepthEngine, Zones, render: what a programmer builds on."""

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import sonar
from sonar.api import session as session_module
from sonar.clock import ManualClock
from sonar.demo import CLIP, MOUNT
from sonar.errors import DepthError, OutputError
from sonar.replay import replay
from sonar.testing.capture import Delay, ScriptedSource
from sonar.testing.depth import FakeEngine

RAMP = sonar.DepthMap(np.repeat(np.linspace(0.1, 1, 48, dtype=np.float32)[:, None], 64, axis=1))
NOISE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)


def images(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(count)]


def test_steps_are_those_of_a_replay(tmp_path: Path) -> None:
    """The same recording by the API and by `sonar replay`: the same scenes and cues."""
    from sonar.config import SonarConfig

    config = SonarConfig.model_validate({"mount": MOUNT.model_dump(), "speech": {"enabled": False}})
    replay("synthetic:box", tmp_path / "out", config, video=False)
    lines = (tmp_path / "out" / "frames.jsonl").read_text().splitlines()
    with sonar.open("synthetic:box", mount=MOUNT, settings={"speech.enabled": False}) as run:
        records = [step.record() for step in run]
    assert len(records) == len(lines) > 20
    for record, line in zip(records, lines, strict=True):
        theirs = type(record).model_validate_json(line)
        assert record.zones == theirs.zones and record.cue == theirs.cue
    assert run.outcome.frames == len(lines)


@pytest.mark.parametrize("how", ["end", "break", "exception", "interrupt", "never taken"])
def test_leaving_the_block_closes_everything(how: str) -> None:
    source = ScriptedSource(images(9), rate_hz=10)
    engine = FakeEngine(RAMP)
    error = {"exception": ZeroDivisionError, "interrupt": KeyboardInterrupt}.get(how)
    with suppress(ZeroDivisionError, KeyboardInterrupt), sonar.open(source, engine=engine) as run:
        for step in run if how != "never taken" else ():
            if step.frame.id == 3 and how == "break":
                break
            if step.frame.id == 3 and error is not None:
                raise error
    assert source.closes == 1
    assert not engine.closed, "the caller's engine stays open"
    assert run.outcome.frames == {"end": 9, "never taken": 0}.get(how, 4)


def test_a_network_of_its_own_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = FakeEngine(RAMP)
    monkeypatch.setattr(session_module.app, "open_engine", lambda config: engine)
    with sonar.open(ScriptedSource(images(3))) as run:
        next(iter(run))
    assert engine.closed


def test_a_damaged_recording_gives_its_steps_and_then_raises() -> None:
    source = ScriptedSource([*images(3), sonar.SourceError("damaged at 0.3 s")])
    seen = []
    with (
        pytest.raises(sonar.SourceError, match="damaged"),
        sonar.open(source, engine=FakeEngine(RAMP)) as run,
    ):
        seen.extend(step.frame.id for step in run)
    assert seen == [0, 1, 2] and source.closes


def test_a_live_source_without_frames_is_unknown_and_never_clear() -> None:
    clock = ManualClock(100.0)
    script = [*images(4), Delay(2.0), *images(2)]
    source = ScriptedSource(script, live=True, clock=clock, rate_hz=10, then="lost")
    steps = []
    with (
        suppress(sonar.SourceLost),
        sonar.open(source, engine=FakeEngine(RAMP), clock=clock) as run,
    ):
        steps.extend(run)
    stale = [step for step in steps if step.scene.reason is sonar.Reason.STALE]
    assert len(stale) >= 3
    for step in stale:
        assert step.depth is None and step.frame.id == step.scene.frame_id
        assert {zone.band for zone in step.scene.zones} == {sonar.Band.UNKNOWN}
    assert steps[-1].scene.reason is sonar.Reason.SOURCE_LOST


def test_steps_can_be_taken_once() -> None:
    with sonar.open(ScriptedSource(images(2)), engine=FakeEngine(RAMP)) as run:
        assert len(list(run)) == 2
        with pytest.raises(RuntimeError, match="once"):
            next(iter(run))


def test_a_closed_session_opens_nothing_again() -> None:
    source = ScriptedSource(images(2))
    run = sonar.open(source, engine=FakeEngine(RAMP))
    run.close()
    run.close()
    with pytest.raises(RuntimeError, match="once"):
        next(iter(run))
    assert source.opens == 0


def test_a_paced_replay_takes_as_long_as_the_recording() -> None:
    clock = ManualClock()
    with sonar.open("synthetic:box", realtime=True, engine=FakeEngine(RAMP), clock=clock) as run:
        first = next(iter_run := iter(run))
        began = clock.now()
        for step in iter_run:
            if step.frame.t - first.frame.t >= 1.0:
                break
    assert clock.now() - began == pytest.approx(1.0, abs=0.1)


def test_sound_is_written_where_asked_and_never_over_the_recording(tmp_path: Path) -> None:
    import wave

    settings = {"speech.enabled": False}
    source = ScriptedSource(images(10), rate_hz=10)
    wav = tmp_path / "out.wav"
    with sonar.open(source, engine=FakeEngine(RAMP), sound=wav, settings=settings) as run:
        list(run)
    with wave.open(str(wav)) as file:
        assert file.getnframes() / file.getframerate() > 0.9
    copy = tmp_path / "walk.mp4"
    copy.write_bytes(CLIP.read_bytes())
    with pytest.raises(OutputError, match="is the recording"):
        sonar.open(copy, sound=copy)
    assert copy.read_bytes() == CLIP.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"source": "nowhere.mp4"}, sonar.SourceError, "does not exist"),
        ({"source": "synthetic:box", "model": "nothing"}, sonar.ConfigError, "nothing"),
        ({"source": "synthetic:box", "settings": {"audio.schema": 1}}, sonar.ConfigError, "schem"),
    ],
)
def test_what_is_wrong_is_said_at_once(arguments: dict, error: type, says: str) -> None:
    with pytest.raises(error, match=says):
        sonar.open(**arguments)


def test_an_image_is_looked_at_as_path_as_array_and_as_pil_image(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "a.png"
    cv2.imwrite(str(path), NOISE[:, :, ::-1])

    class Pil:
        """Looks like a PIL image, which sonar does not depend on."""

        def convert(self, mode: str) -> np.ndarray:
            assert mode == "RGB"
            return NOISE

    with sonar.DepthEngine("builtin") as engine:
        steps = [sonar.look(what, engine=engine) for what in (path, str(path), NOISE, Pil())]
        assert engine(NOISE).model == "builtin"
    assert all(step.scene.zones == steps[0].scene.zones for step in steps)
    assert (steps[0].frame.image == NOISE).all() and steps[0].depth is not None
    with pytest.raises(ValueError, match="image is a path"):
        sonar.look(7)
    with pytest.raises(ValueError, match="uint8"):
        sonar.look(np.zeros((4, 4)))


def test_a_network_that_fails_leaves_an_image_unknown() -> None:
    failing = FakeEngine(RAMP, failures={call: DepthError("NaN") for call in range(9)})
    step = sonar.look(NOISE, engine=failing)
    assert step.depth is None and step.scene.reason is sonar.Reason.DEPTH_FAILED


def test_zones_take_maps_with_and_without_images() -> None:
    zones = sonar.Zones(mount=sonar.Mount(height_m=1.4, pitch_deg=10))
    for image in images(5):
        scene = zones(RAMP, image)
    bare = sonar.Zones(mount=sonar.Mount(height_m=1.4, pitch_deg=10))
    for number in range(5):
        by_map = bare(RAMP, t=number / 10)
    assert scene.zones == by_map.zones and by_map.t == pytest.approx(0.4)
    dark = sonar.Zones()(RAMP, np.zeros((48, 64, 3), np.uint8))
    assert dark.reason is not None and dark.center.band is sonar.Band.UNKNOWN
    assert {zone.band for zone in bare.lost().zones} == {sonar.Band.UNKNOWN}


def test_cues_are_heard_from_their_time_on_and_on_their_side() -> None:
    left = sonar.Cue(sonar.CueKind.PULSE, t=5.0, pan=-1.0, rate_hz=8.0, pitch_hz=800.0)
    silence = sonar.Cue(sonar.CueKind.SILENCE, t=6.0)
    right = sonar.Cue(sonar.CueKind.PULSE, t=7.0, pan=1.0, rate_hz=8.0, pitch_hz=800.0)
    samples = sonar.render([left, silence, right], rate_hz=44_100, last_s=1.0)
    assert samples.shape == (3 * 44_100, 2) and samples.dtype == np.float32
    power = np.square(samples.astype(float)).reshape(3, 44_100, 2).sum(axis=1)
    assert power[0, 0] > 10 * power[0, 1] and power[2, 1] > 10 * power[2, 0]
    assert power[1].max() < 0.2 * power[0, 0]  # at most the last pulse of eight
    assert sonar.render([]).shape == (0, 2)
    with pytest.raises(ValueError, match="decrease"):
        sonar.render([silence, left])


def test_a_sparse_cue_goes_on_and_is_not_taken_for_a_hang() -> None:
    tone = sonar.Cue(sonar.CueKind.PULSE, rate_hz=4.0, pitch_hz=800.0, phrase="stop")
    from sonar.testing.audio import ToneSpeaker

    speaker = ToneSpeaker(48_000)
    samples = sonar.render([tone], last_s=4.0, speaker=speaker)
    seconds = np.abs(samples).reshape(4, 48_000, 2).max(axis=(1, 2))
    assert (seconds > 0.01).all()
    assert speaker.asked == ["stop"], "a phrase is spoken once"
