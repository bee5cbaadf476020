"""Real things brought nearer, and labels that are only bounds."""

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch (extra [midas])")

from sonar.lab.training.batches import Pictures
from sonar.lab.training.data import GROUND, LEVEL_SHIFT, SURE_LEVEL, UNKNOWN, Sample
from sonar.lab.training.moved import bring_nearer

ROWS, COLUMNS = 96, 128
RED = (220, 30, 30)


def empty(level: float = 0.2):
    return (
        np.full((ROWS, COLUMNS, 3), 90, np.uint8),
        np.full((ROWS, COLUMNS), level, np.float32),
        np.full((ROWS, COLUMNS), UNKNOWN, np.uint8),
    )


def with_post(level: float = 0.45):
    """A red post of 12 by 40 pixels before a far wall."""
    image, depth, ground = empty()
    image[30:70, 60:72], depth[30:70, 60:72], ground[30:70, 60:72] = RED, level, 0
    return image, depth, ground


def results(donor, surest=SURE_LEVEL, view=None, seeds=60):
    view = view or empty()
    for seed in range(seeds):
        found = bring_nearer(np.random.default_rng(seed), view, donor, surest)
        if found is not None:
            yield found


def test_it_grows_as_its_level_does():
    seen = 0
    for image, level, ground in results(with_post()):
        thing = level != np.float32(0.2)
        columns = np.flatnonzero(thing.any(axis=0))
        here = float(np.median(level[thing]))
        factor = (here - LEVEL_SHIFT) / (0.45 - LEVEL_SHIFT)
        assert here > 0.6
        if columns[0] > 0 and columns[-1] < COLUMNS - 1:
            assert columns.size == pytest.approx(12 * factor, abs=2.5)
            seen += 1
        assert set(np.unique(ground[thing])) <= {0, UNKNOWN}
        core = cv2.erode(thing.astype(np.uint8), np.ones((29, 29), np.uint8)) > 0
        assert (ground[core] == 0).all() and (ground[~thing] == UNKNOWN).all()
        inner = image[thing].astype(int)
        assert np.median(np.abs(inner - RED).max(axis=1)) < 12
        away = cv2.dilate(thing.astype(np.uint8), np.ones((11, 11), np.uint8)) == 0
        assert (image[away] == 90).all()
    assert seen > 10


def test_what_is_nearer_hides_it():
    view = empty()
    view[1][:, :64] = 2.9
    levels = [level for _, level, _ in results(with_post(), view=view)]
    assert len(levels) > 10
    for level in levels:
        assert (level[:, :64] == np.float32(2.9)).all() and (level[:, 64:] > 0.6).any()


def test_no_thing_no_change():
    assert not list(results(empty()))
    assert not list(results(with_post(level=0.9)))  # that near, the label is not believed
    assert list(results(with_post(level=0.9), surest=3.0))


def test_near_labels_of_photos_are_bounds_but_on_the_ground_and_what_was_put_in():
    rows = np.linspace(0.1, 1.0, ROWS, dtype=np.float32)[:, None]
    level = np.repeat(rows, COLUMNS, axis=1)
    ground = np.full(level.shape, UNKNOWN, np.uint8)
    ground[:, : COLUMNS // 2] = GROUND
    image = np.random.default_rng(1).integers(0, 255, (ROWS, COLUMNS, 3)).astype(np.uint8)
    for kind, bounded in (("photo", True), ("measured", False)):
        sample = Sample("a", "a", kind, image, level, ground)
        pictures = Pictures([sample], {kind: 1.0}, pasted=0.0)
        batch = pictures.draw(np.random.default_rng(0), (ROWS, COLUMNS), 6, 0)
        marked = batch.at_least.numpy()
        assert marked.any() == bounded
        near = (batch.level.numpy() > SURE_LEVEL) & (batch.ground.numpy() != GROUND)
        assert (marked == (near & bounded)).all()
    pictures = Pictures(
        [sample, Sample("b", "b", "photo", image, level, ground)], {"photo": 1.0}, 1
    )
    batch = pictures.draw(np.random.default_rng(0), (ROWS, COLUMNS), 12, 0)
    put_in = batch.things.numpy() & (batch.level.numpy() > 1.01)
    assert put_in.any() and not (put_in & batch.at_least.numpy()).any()
