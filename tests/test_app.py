"""The composition root: what is opened is closed, and one image is seen alike by every way."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from sonar import app
from sonar.capture.synthetic import SyntheticSource
from sonar.config import SonarConfig, SpeechConfig
from sonar.demo import CLIP, MOUNT
from sonar.errors import DeviceError
from sonar.replay import replay
from sonar.testing.depth import FakeEngine
from sonar.types import DepthMap, Frame
from sonar.web.photo import Photographer
from tests.exact import ExactDepth
from tests.truth import truth_at

SILENT = SonarConfig.model_validate({"speech": {"enabled": False}, "mount": MOUNT.model_dump()})


def test_what_was_opened_is_closed_when_a_later_part_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    from sonar.audio.speech.bank import SpeechBank

    closed: list[str] = []
    engine = FakeEngine(DepthMap(np.eye(3, dtype=np.float32)))
    monkeypatch.setattr(app, "open_engine", lambda config: engine)
    monkeypatch.setattr(SpeechBank, "close", lambda self: closed.append("speech"))

    def no_sink(mixer: Any) -> Any:
        raise DeviceError("no sound card")

    with pytest.raises(DeviceError):
        app.assemble(SILENT, SyntheticSource("box"), no_sink)
    assert closed == ["speech"] and engine.closed


def test_the_view_has_a_step_before_others_take_it_and_wait() -> None:
    seen: list[str] = []
    pipeline: Any = SimpleNamespace(run=lambda consumers: [consume(None) for consume in consumers])
    view: Any = SimpleNamespace(consume=lambda update: seen.append("view"))
    none: Any = None
    running = app.Running(pipeline, none, none, none, none, none, view)
    running.run(lambda update: seen.append("governor"))
    assert seen == ["view", "governor"]


def image_of_the_walk(number: int) -> np.ndarray:
    source = app.open_source(str(CLIP), SILENT)
    source.open()
    while (frame := source.read(5.0)) is not None and frame.id < number:
        pass
    source.close()
    assert frame is not None
    return frame.image


@pytest.mark.parametrize("number", [60, 150])
def test_a_photo_on_the_page_is_seen_as_the_command_line_sees_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sonar.zones import DepthZones

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), cv2.cvtColor(image_of_the_walk(number), cv2.COLOR_RGB2BGR))
    scenes: list[Any] = []
    update = DepthZones.update

    def watched(self: DepthZones, depth: DepthMap, frame: Frame) -> Any:
        scenes.append(update(self, depth, frame))
        return scenes[-1]

    monkeypatch.setattr(DepthZones, "update", watched)
    replay(str(path), tmp_path / "out", SILENT, video=False)
    by_command = scenes[-1]
    photographer = Photographer(SILENT)
    look = photographer.look(path, SILENT, tmp_path)
    photographer.close()
    by_page = scenes[-1]
    assert by_page is not by_command and by_page.zones == by_command.zones
    assert "unknown" not in look.sentence
    assert [zone.proximity for zone in by_page.zones] != [0.0, 0.0, 0.0]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="needs Debian's espeak-ng")
@pytest.mark.parametrize("number", [20, 60, 150])
@pytest.mark.parametrize("words", [{}, {"language": "zh", "verbosity": "chatty"}])
def test_a_photo_on_the_page_says_what_the_command_line_says(
    number: int, words: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), cv2.cvtColor(image_of_the_walk(number), cv2.COLOR_RGB2BGR))
    config = SILENT.model_copy(update={"speech": SpeechConfig.model_validate(words)})
    replay(str(path), tmp_path / "out", config, video=False)
    events = map(json.loads, (tmp_path / "out/events.jsonl").read_text("utf-8").splitlines())
    said = [e["text"] for e in events if e["kind"] == "speech" and "state_" not in e["name"]]
    photographer = Photographer(config)
    look = photographer.look(path, config, tmp_path)
    spoken_wav = look.sound.read_bytes()
    photographer.look(path, SILENT, tmp_path)
    photographer.close()
    assert look.spoken == (said[0] if said else "")
    assert (spoken_wav != look.sound.read_bytes()) is bool(said)  # it is in the sound, too


def test_another_model_changes_the_prior_and_keeps_what_is_known_in_meters() -> None:
    """Its maps have other units, and no prior."""
    source = SyntheticSource("box", rate_hz=15, frames=60, size=(96, 128))
    exact = ExactDepth(source, scale=1.75, shift=0.03, noise=0.0)
    config = SonarConfig.model_validate({"mount": truth_at(source, 0).mount.model_dump()})
    zones = app.make_zones(config)
    distances = []
    for number in range(60):
        frame = source.frame_at(number)
        depth = exact.estimate(frame)
        if number < 20:
            depth = DepthMap(depth.values, depth.kind, depth.walkable, model="builtin")
        else:  # 40 times as large, and shifted
            depth = DepthMap(40.0 * depth.values + 3.0, depth.kind, depth.walkable, model="eco")
        scene = zones.update(depth, frame)
        distances.append(scene.center.distance_m)
        assert (zones._prior is None) is (number >= 20)
    truth = truth_at(source, 59).center.distance_m
    assert distances[19] is not None and distances[20] is not None
    assert abs(distances[20] - distances[19]) < 0.5, "the walker came no half meter in a frame"
    assert distances[-1] == pytest.approx(truth, rel=0.25)
