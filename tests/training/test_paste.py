"""Things pasted into the way: where they are, how near, and what hides them."""

import cv2
import numpy as np
import pytest

from sonar.lab.training.data import GROUND, HIGHEST_LEVEL, LEVEL_SHIFT
from sonar.lab.training.paste import paste

ROWS, COLUMNS = 96, 128


def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ground below a horizon, a far wall above it, a pillar near on the left."""
    image = np.full((ROWS, COLUMNS, 3), 90, np.uint8)
    level = np.full((ROWS, COLUMNS), 0.2, np.float32)
    ground = np.zeros((ROWS, COLUMNS), np.uint8)
    below = np.arange(ROWS // 2, ROWS)
    level[below] = (0.2 + 0.012 * (below - ROWS // 2))[:, None]
    ground[below] = GROUND
    level[:, :12], ground[:, :12] = 1.5, 0
    return image, level, ground


def skin() -> np.ndarray:
    return np.random.default_rng(0).integers(150, 255, (40, 60, 3)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(60))
def test_a_thing_is_nearer_than_what_it_hides_and_hidden_by_what_is_nearer(seed: int) -> None:
    image, level, ground = scene()
    _, after, way = paste(np.random.default_rng(seed), image, level, ground, skin())
    changed = after != level
    if not changed.any():
        return
    thing = np.unique(after[changed])
    assert thing.size == 1  # upright: as near at its top as at its foot
    assert (level[changed] <= thing[0] * 1.06).all()
    assert (after[:, :12] == 1.5).all() or thing[0] > 1.5 / 1.06
    assert (way[changed] == 0).all()
    assert (way[~changed & (after != thing[0])] == ground[~changed & (after != thing[0])]).all()


def test_what_stands_is_as_near_as_the_ground_at_its_foot() -> None:
    image, level, ground = scene()
    stood = 0
    for seed in range(80):
        _, after, _ = paste(np.random.default_rng(seed), image, level, ground, skin())
        rows, _ = np.nonzero(after != level)
        if rows.size and rows.max() >= ROWS // 2 + 4:
            near = after[after != level][0]
            foot = level[rows.max(), COLUMNS - 1]
            stood += abs(near - foot) < 0.06
    assert stood > 10


def test_it_is_seen_where_its_depth_is() -> None:
    image, level, ground = scene()
    seen = 0
    for seed in range(40):
        after, depth, _ = paste(np.random.default_rng(seed), image, level, ground, skin())
        where = depth != level
        if where.any():
            painted = np.abs(after.astype(int) - image).max(2) > 8
            rim = cv2.dilate(where.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
            assert not painted[~rim].any()
            seen += painted[where].mean() > 0.8
    assert seen > 10


def test_where_nothing_is_known_nothing_is_pasted() -> None:
    image, level, ground = scene()
    unknown = np.full_like(level, np.nan)
    for seed in range(20):
        after, depth, _ = paste(np.random.default_rng(seed), image, unknown, ground, skin())
        assert np.isnan(depth).all()
        assert (after == image).all()


def test_far_things_are_not_nearer_than_the_far_level_allows() -> None:
    image, level, ground = scene()
    for seed in range(40):
        _, after, _ = paste(np.random.default_rng(seed), image, level, ground, skin())
        assert after.min() >= LEVEL_SHIFT
        assert after.max() <= HIGHEST_LEVEL


def test_some_stand_so_near_that_their_foot_is_below_the_picture() -> None:
    image, level, ground = scene()
    lowest, many = float(level[-1, -1]), 0
    for seed in range(80):
        _, after, _ = paste(np.random.default_rng(seed), image, level, ground, skin())
        changed = after != level
        if changed[-1].any() and after[changed][0] > lowest * 1.02:
            many += 1
    assert many > 8
