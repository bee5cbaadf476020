"""What the buttons of the page answer; the page itself is in test_in_browser.py."""

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

gr = pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")

from sonar.config.load import load_config  # noqa: E402
from sonar.pipeline import Pipeline  # noqa: E402
from sonar.web.page import Studio, as_settings  # noqa: E402
from tests.cli.conftest import write_video  # noqa: E402

NONE = ("", "", "", False, False)


def load(more: list[str]) -> Any:
    return load_config("replay", ["service.health_port=9", *more], {})


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(load, tmp_path_factory.mktemp("work"))
    yield made
    made.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "a & b.png"
    cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240)))
    return path


def test_a_photo_comes_back_as_image_sound_and_sentence(studio: Studio, photo: Path) -> None:
    html = studio.photo(str(photo), *NONE)
    assert "In full: " in html and 'alt="Heat map' in html
    image = re.search(r'src="data:image/jpeg;base64,([^"]+)"', html)
    sound = re.search(r'src="data:audio/wav;base64,([^"]+)"', html)
    assert image and sound
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(image[1]), np.uint8), 1)
    assert seen is not None and seen.shape == (240, 320, 3) and 'class="legend">far' in html
    grays = np.arange(256, dtype=np.uint8)[:, None]
    palette = cv2.applyColorMap(grays, cv2.COLORMAP_INFERNO).reshape(-1, 3)
    sample = seen[40:200:8, ::8].reshape(-1, 1, 3).astype(int)
    off = np.abs(sample - palette.astype(int)).max(axis=2).min(axis=1)
    assert np.mean(off < 25) > 0.8  # INFERNO but for what is drawn onto it
    samples = np.frombuffer(base64.b64decode(sound[1])[44:], "<i2").reshape(-1, 2)
    assert len(samples) / 48_000 == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_a_bad_file_is_one_sentence_without_our_paths(
    studio: Studio, tmp_path: Path, content: bytes
) -> None:
    bad = tmp_path / "<b>.png"
    bad.write_bytes(content)
    for answer in (studio.photo(str(bad), *NONE), studio.video(str(bad), *NONE)):
        assert "Problem:" in answer and "&lt;b&gt;.png" in answer
        assert str(tmp_path) not in answer and answer.count("<p") == 1


def test_settings_reach_the_run_and_wrong_ones_are_refused(studio: Studio, photo: Path) -> None:
    assert as_settings("1,3", " -5 ", "", True, False) == [
        "mount.height_m=1.3", "mount.pitch_deg=-5", "audio.swap_sides=true",
    ]  # fmt: skip
    assert as_settings(None, "", " ", False, False) == []
    assert "mount.height_m" in studio.photo(str(photo), "-1", "", "", False, False)
    answer = studio.photo(str(photo), "chest", "", "", False, False)
    assert "Camera above the ground, meters: chest is not a number" in answer


def test_limits_of_size_length_and_time(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sonar.web.page.MAX_UPLOAD_MB", 1)
    monkeypatch.setattr("sonar.web.video.MAX_VIDEO_S", 3.0)
    big = tmp_path / "big.png"
    big.write_bytes(bytes(1_000_001))
    assert "larger than 1 MB" in studio.photo(str(big), *NONE)
    long = write_video(tmp_path / "long.mp4", frames=40)
    assert "4 seconds long; at most 3" in studio.video(str(long), *NONE)
    monkeypatch.setattr("sonar.web.page.MAX_UPLOAD_MB", 99)
    monkeypatch.setattr("sonar.web.video.MAX_VIDEO_S", 600.0)
    monkeypatch.setattr("sonar.web.video.TIME_LIMIT_S", 3.0)
    hasty = Studio(load, tmp_path)
    try:
        endless = write_video(tmp_path / "endless.mp4", frames=3000)
        answer = hasty.video(str(endless), *NONE)
        assert "limit of 3 seconds was reached" in answer
        assert "<video" in answer or "before one frame was done" in answer  # on a busy machine
    finally:
        hasty.close()


def test_time_that_ends_before_the_first_frame_is_reported(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def at_once(pipeline: Pipeline) -> Iterator[None]:
        pipeline.stop()
        yield

    monkeypatch.setattr("sonar.web.video._time_limit", at_once)
    answer = studio.video(str(write_video(tmp_path / "walk.mp4", frames=8)), *NONE)
    assert "The limit of 300 seconds was reached before one frame was done." in answer


def test_a_video_comes_back_with_its_report(studio: Studio, tmp_path: Path) -> None:
    source = write_video(tmp_path / "walk.mp4", frames=8)
    html = studio.video(str(source), *NONE)
    assert "8 frames, 0.8 seconds" in html
    report = re.search(r'file=([^"]+/report\.html)"', html)
    assert report and "data:video/mp4" in Path(report[1]).read_text()


def test_results_do_not_pile_up(tmp_path: Path, photo: Path) -> None:
    studio = Studio(load, tmp_path)
    try:
        photo = photo.rename(tmp_path.parent / f"{tmp_path.name}.png")
        for _ in range(8):
            studio.photo(str(photo), *NONE)
        assert len(list(tmp_path.iterdir())) == 6
    finally:
        studio.close()
