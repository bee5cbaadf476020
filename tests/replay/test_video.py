"""The annotated video: colors, sound, resolutions that change, and files that cannot be written."""

from pathlib import Path

import av
import numpy as np
import pytest

from sonar.config import SonarConfig
from sonar.errors import OutputError
from sonar.replay.video import AnnotatedVideo
from sonar.types import Scene

SCENE = Scene.unknown(0, 0.0, None)


def made(path: Path) -> AnnotatedVideo:
    return AnnotatedVideo(path, SonarConfig(), 10.0)


@pytest.mark.parametrize("color", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 140, 200)])
def test_colors_stay(tmp_path: Path, color: tuple[int, int, int]) -> None:
    video = made(tmp_path / "a.mp4")
    video.frame(np.full((240, 320, 3), color, np.uint8), None, SCENE, None, 0.0)
    video.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (240, 320, 3)
    assert np.abs(shown[120, 160].astype(int) - color).max() <= 6


def test_sound_before_the_first_frame_is_kept(tmp_path: Path) -> None:
    video = made(tmp_path / "a.mp4")
    video.sound(np.full((4800, 2), 0.5, np.float32))
    for index in range(3):
        video.frame(np.zeros((64, 96, 3), np.uint8), None, SCENE, None, index / 10)
    video.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3
    with av.open(str(tmp_path / "a.mp4")) as container:
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert heard.shape[1] >= 4800 and np.abs(heard[:, 1000:4000]).mean() > 0.3


def test_a_resolution_that_changes_is_not_stretched(tmp_path: Path) -> None:
    """A white frame of 4:3, then one upright of 3:4, then the first again: with black beside it."""
    video = made(tmp_path / "a.mp4")
    for index, size in enumerate([(240, 320), (320, 240), (240, 320)]):
        video.frame(np.full((*size, 3), 255, np.uint8), None, SCENE, None, float(index))
    video.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(240, 320)] * 3
    row = [frame[120].astype(int) for frame in frames]
    black = [np.flatnonzero(values < 40) for values in row]
    assert len(black[0]) < 20 and len(black[2]) < 20
    # 240 high leaves 180 of 320 columns: 70 black ones on either side.
    assert (row[1][:68] < 40).all() and (row[1][-68:] < 40).all()
    assert (row[1][90:150] > 200).any()


def test_without_a_frame_there_is_no_file_and_no_error(tmp_path: Path) -> None:
    made(tmp_path / "a.mp4").close()
    assert not (tmp_path / "a.mp4").exists()


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    video = made(tmp_path / "nowhere" / "a.mp4")
    with pytest.raises(OutputError, match="nowhere"):
        video.frame(np.zeros((64, 96, 3), np.uint8), None, SCENE, None, 0.0)
    video.close()
    video.close()
