"""Views keep what the network is asked for true, whatever the crop."""

import numpy as np
import pytest

pytest.importorskip("timm", reason="training needs timm (extra [midas])")

from sonar.lab.evaluate.data import read_pack
from sonar.lab.training import sources, views
from sonar.lab.training.network import FOCAL
from sonar.lab.training.sample import Sample, label, split_labels


@pytest.fixture(scope="module")
def sample(packs):
    return next(iter(sources.read_rendered(read_pack(packs / "p_corr1.tar.gz"))))


def level_ground(rows=240, columns=320, focal=0.8):
    """Ground seen by a level camera: camera height / Z is (row - horizon) / focal length."""
    below = np.arange(rows, dtype=np.float32) + 0.5 - rows / 2
    inverse = np.repeat((np.maximum(below, 0) / (focal * columns))[:, None], columns, 1)
    everywhere = np.ones((rows, columns), bool)
    labels = label((inverse > 0, everywhere), (~everywhere, everywhere), (None, None))
    image = np.zeros((rows, columns, 3), np.uint8)
    return Sample("g", "g", "rendered", "CC0", image, inverse.astype(np.float32), labels, focal)


@pytest.mark.parametrize("seed", range(20))
def test_on_level_ground_the_target_is_the_distance_to_the_horizon_in_any_crop(seed):
    size = (96, 128)
    view = views.random_view(np.random.default_rng(seed), level_ground(), size)
    ground = split_labels(view.labels, "ground")[0] & (view.target > 0)
    if np.count_nonzero(ground) < 500:
        return
    rows, columns = np.nonzero(ground)
    a = np.stack([rows, columns, np.ones(rows.size)], 1)
    (down, across, _), *_ = np.linalg.lstsq(a, view.target[ground], rcond=None)
    # One pixel nearer the horizon is the same step whatever the focal length and the crop.
    assert np.hypot(down, across) == pytest.approx(1 / (FOCAL * 128), rel=0.03)


def test_a_crop_keeps_image_target_and_labels_together(sample):
    rng = np.random.default_rng(0)
    image = np.repeat((np.asarray(sample.labels) == sample.labels[50, 110])[..., None], 3, 2)
    marked = Sample(
        "m", "m", "rendered", "", (image * 255).astype(np.uint8), sample.inverse, sample.labels,
        sample.focal,
    )  # fmt: skip
    for _ in range(10):
        view = views.random_view(rng, marked, (64, 96))
        box = view.labels == sample.labels[50, 110]
        seen = view.labels > 0
        agree = (view.image[..., 0] > 127) == box
        assert agree[seen].mean() > 0.97
        assert np.isfinite(view.target[seen]).all()
        assert np.isnan(view.target[~seen]).all()


def test_near_obstacles_are_often_cut_by_the_border(sample, monkeypatch):
    monkeypatch.setattr(views, "CUT_SHARE", 1.0)
    rng = np.random.default_rng(1)
    cut = 0
    for _ in range(40):
        view = views.random_view(rng, sample, (96, 128))
        ground, known = split_labels(view.labels, "ground")
        near = known & ~ground & (view.target > 0.8)
        edge = np.concatenate([near[-3:].ravel(), near[:, :3].ravel(), near[:, -3:].ravel()])
        cut += bool(edge.mean() > 0.05)
    assert cut >= 30


def test_views_are_seeded_and_light_changes_only_the_image(sample):
    one, two = (views.random_view(np.random.default_rng(4), sample, (64, 96)) for _ in range(2))
    assert np.array_equal(one.image, two.image)
    assert np.array_equal(one.target, two.target, equal_nan=True)
    dark = [views.relight(np.random.default_rng(k), one.image).mean() for k in range(30)]
    assert min(dark) < 0.6 * one.image.mean() and len(set(dark)) == 30
