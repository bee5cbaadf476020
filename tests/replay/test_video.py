"""The video writer: colours, and an error of the thread that reaches the caller."""

from pathlib import Path

import av
import numpy as np
import pytest

from sonar.config import SonarConfig
from sonar.errors import OutputError
from sonar.replay.video import AnnotatedVideo, even_size, fitted_size
from sonar.replay.video_thread import VideoThread
from sonar.types import Scene


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (90, 140, 200)])
def test_colours_stay(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "a.mp4"
    writer = AnnotatedVideo(path, 64, 96, 10, 48_000, 18)
    writer.frame(np.full((64, 96, 3), colour, np.uint8), 0.0)
    writer.close()
    with av.open(str(path)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert shown.shape == (64, 96, 3)
    assert np.abs(shown[32, 48].astype(int) - colour).max() <= 6


def scene() -> Scene:
    return Scene.unknown(0, 0.0, None)


def film(path: Path) -> VideoThread:
    return VideoThread(path, SonarConfig(), 10.0, lambda height, width: (0.3, 0.7))


def test_sound_before_the_first_frame_is_kept(tmp_path: Path) -> None:
    made = film(tmp_path / "a.mp4")
    made.sound(np.full((4800, 2), 0.5, np.float32))
    for index in range(3):
        made.frame(np.zeros((64, 96, 3), np.uint8), None, scene(), None, index / 10)
    made.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3
    with av.open(str(tmp_path / "a.mp4")) as container:
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert heard.shape[1] >= 4800 and np.abs(heard[:, 1000:4000]).mean() > 0.3


def test_a_resolution_that_changes_is_not_stretched(tmp_path: Path) -> None:
    """A white frame of 4:3, then one upright of 3:4, then the first again: with black beside it."""
    made = film(tmp_path / "a.mp4")
    for index, size in enumerate([(240, 320), (320, 240), (240, 320)]):
        image = np.full((*size, 3), 255, np.uint8)
        made.frame(image, None, scene(), None, float(index))
    made.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert [frame.shape for frame in frames] == [(240, 320)] * 3
    row = [frame[120].astype(int) for frame in frames]
    black = [np.flatnonzero(values < 40) for values in row]
    assert len(black[0]) < 20 and len(black[2]) < 20
    # 240 high leaves 180 of 320 columns: 70 black ones on either side.
    assert (row[1][:68] < 40).all() and (row[1][-68:] < 40).all()
    assert (row[1][90:150] > 200).any()


@pytest.mark.parametrize(("width", "height"), [(1921, 1080), (640, 479), (33, 4000), (7, 5)])
def test_the_whole_video_is_filled_where_the_resolution_stays(width: int, height: int) -> None:
    size = even_size(height, width, 960)
    rows, columns = fitted_size(height, width, *size)
    if min(size) > 64:
        assert (rows, columns) == size
    assert 1 <= rows <= size[0] and 1 <= columns <= size[1]


def test_nothing_drawn_is_no_file_and_no_error(tmp_path: Path) -> None:
    film(tmp_path / "a.mp4").close()
    assert not (tmp_path / "a.mp4").exists()


def test_an_error_of_the_thread_is_raised_once_and_nobody_waits(tmp_path: Path) -> None:
    made = film(tmp_path / "nowhere" / "a.mp4")
    with pytest.raises(OutputError, match="nowhere"):
        for _ in range(200):  # far more than the queue takes
            made.frame(np.zeros((64, 96, 3), np.uint8), None, scene(), None, 0.0)
    made.close()
    made.close()


def test_an_error_at_the_end_is_raised_by_close(tmp_path: Path) -> None:
    made = film(tmp_path / "nowhere" / "a.mp4")
    made.frame(np.zeros((64, 96, 3), np.uint8), None, scene(), None, 0.0)
    with pytest.raises(OutputError, match="nowhere"):
        made.close()
