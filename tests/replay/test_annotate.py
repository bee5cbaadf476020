"""Words in the annotated video keep their dark rim, from the first letter to the last."""

import cv2
import numpy as np
import pytest

from sonar.replay.annotate import Annotator
from sonar.types import Scene

SENTENCE = "Possible drop ahead, illuminated curb on the left"
PARTS = 8


def caption_alone(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a caption makes a gray frame brighter, and where clearly darker; bool (H, W)."""
    gray = np.full((height, width, 3), 128, np.uint8)
    annotator = Annotator(max(height, width), lambda height, width: (0.3, 0.7), overlay=0.0)
    scene = Scene.unknown(0, 1.0, None)
    without = annotator.draw(gray, None, scene, None).astype(int)
    annotator.caption(SENTENCE, 1.0)
    change = annotator.draw(gray, None, scene, None) - without
    return change.mean(axis=2) > 15, change.mean(axis=2) < -50


def widened(mask: np.ndarray, by_px: int) -> np.ndarray:
    side = 2 * by_px + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


@pytest.mark.parametrize(("height", "width"), [(240, 480), (480, 960), (1080, 1920)])
def test_the_rim_is_around_every_letter(height: int, width: int) -> None:
    letters, rim = caption_alone(height, width)
    columns = np.flatnonzero(letters.any(axis=0))
    assert np.ptp(columns) > 0.4 * width
    assert not (rim & ~widened(letters, 2)).any(), "the rim slips away from the words"
    edge = widened(letters, 1) & ~letters
    for part in np.array_split(np.arange(columns[0], columns[-1] + 1), PARTS):
        dark = rim[:, part].sum() / edge[:, part].sum()
        assert dark > 0.5, f"words without a rim, {part[0]} pixels from the left"


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 80), (8, 200), (200, 8), (2, 2)])
def test_words_that_do_not_fit_are_cut_off(height: int, width: int) -> None:
    """Long words, at every edge and beyond: no frame is too small to be drawn on."""
    letters, rim = caption_alone(height, width)
    assert letters.shape == rim.shape and min(letters.shape) >= 64


def test_the_image_that_is_given_stays() -> None:
    annotator = Annotator(80, lambda height, width: (0.3, 0.7), overlay=0.5)
    given = np.random.default_rng(0).integers(0, 255, (64, 80, 3)).astype(np.uint8)
    before = given.copy()
    first = annotator.draw(given, None, Scene.unknown(0, 1.0, None), None)
    assert (given == before).all() and (first != given).any()


@pytest.mark.parametrize(("width", "height"), [(1921, 1080), (640, 479), (33, 4000), (7, 5)])
def test_the_whole_video_is_filled_where_the_resolution_stays(width: int, height: int) -> None:
    annotator = Annotator(960, lambda height, width: (0.3, 0.7), 0.0)
    white = np.full((height, width, 3), 255, np.uint8)
    drawn = annotator.draw(white, None, Scene.unknown(0, 1.0, None), None)
    size = drawn.shape[:2]
    assert max(size) <= 960 and min(size) >= 64 and all(pixels % 2 == 0 for pixels in size)
    if min(size) > 64:
        assert drawn[0].min() > 200 and drawn[:, 0].min() > 200
