"""What stands out is what a walker would run into: not walls, not the ground, not what is far."""

import numpy as np
import pytest

from sonar.lab.training.data import GROUND, UNKNOWN
from sonar.lab.training.standing import stands_out

ROWS, COLUMNS = 48, 64


@pytest.fixture
def hall() -> tuple[np.ndarray, np.ndarray]:
    """Level and ground of a hall: floor in the lower half, its end wall above."""
    rows = np.arange(ROWS, dtype=np.float32)[:, None]
    below = np.maximum(rows - ROWS / 2, 0.0) / (ROWS / 2)
    level = np.repeat(0.3 + 1.0 * below, COLUMNS, axis=1).astype(np.float32)
    ground = np.zeros((ROWS, COLUMNS), np.uint8)
    ground[ROWS // 2 :] = GROUND
    return level, ground


def test_an_empty_hall_has_nothing_that_stands_out(hall: tuple[np.ndarray, np.ndarray]) -> None:
    assert not stands_out(*hall).any()


@pytest.mark.parametrize("box", [np.s_[10:40, 30:36], np.s_[2:8, 0:12], np.s_[30:48, 50:64]])
def test_a_thing_stands_out_and_nothing_else(
    hall: tuple[np.ndarray, np.ndarray], box: tuple[slice, slice]
) -> None:
    level, ground = hall
    level[box], ground[box] = 1.8, 0
    thing = np.zeros_like(ground, bool)
    thing[box] = True
    assert (stands_out(level, ground) == thing).all()


def test_what_is_wider_than_half_the_picture_is_a_wall(
    hall: tuple[np.ndarray, np.ndarray],
) -> None:
    level, ground = hall
    level[:, 5:50], ground[:, 5:50] = 1.8, 0
    assert not stands_out(level, ground)[:, 8:47].any()


@pytest.mark.parametrize("value", [0.35, 3.5, np.nan])
def test_far_things_and_what_is_at_hand_or_unknown_do_not_count(
    hall: tuple[np.ndarray, np.ndarray], value: float
) -> None:
    level, ground = hall
    level[5:15, 30:36], ground[5:15, 30:36] = value, UNKNOWN if np.isnan(value) else 0
    assert not stands_out(level, ground).any()


def test_ground_never_stands_out(hall: tuple[np.ndarray, np.ndarray]) -> None:
    level, ground = hall
    level[30:40, 30:36] = 2.5  # a slab to walk on
    assert not stands_out(level, ground).any()


def test_nothing_known_is_nothing() -> None:
    level = np.full((ROWS, COLUMNS), np.nan, np.float32)
    assert not stands_out(level, np.zeros((ROWS, COLUMNS), np.uint8)).any()
