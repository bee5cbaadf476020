"""Every source becomes samples with the right scale and labels, the same after the cache."""

import io
import json
import tarfile

import cv2
import numpy as np
import pytest
from training_kit import COLUMNS, FOCAL_PX, HEIGHT_M, ROWS, ground_inverse_m, write_pack

from sonar.errors import ModelError, SourceError
from sonar.lab.evaluate.data import find_datasets, read_pack
from sonar.lab.evaluate.places import HELD_OUT, VALIDATION, split_of
from sonar.lab.training import sources
from sonar.lab.training.corpus import Corpus, build_cache, load_cache
from sonar.lab.training.sample import commercial, split_labels


def test_a_rendered_pack_has_the_camera_height_over_depth_and_its_labels(packs):
    sample = next(iter(sources.read_rendered(read_pack(packs / "p_corr1.tar.gz"))))
    assert sample.calibrated and sample.focal == FOCAL_PX / COLUMNS and sample.licence == "CC0"
    assert sample.image.shape == (ROWS, COLUMNS, 3) and sample.kind == "rendered"
    ground, known = split_labels(sample.labels, "ground")
    assert known.all() and ground.mean() > 0.2
    # Close ground only: the depth is in whole millimeters.
    close = ground & (sample.inverse > 0.2)
    assert np.allclose(sample.inverse[close], HEIGHT_M * ground_inverse_m()[close], rtol=2e-3)
    assert sample.inverse[50, 110] == pytest.approx(HEIGHT_M, rel=1e-3)
    assert (sample.inverse[:5, :90] == 0).all()  # sky
    drop, drop_known = split_labels(sample.labels, "drop")
    stairs, stairs_known = split_labels(sample.labels, "stairs")
    assert drop[62:, :20].all() and not drop[:, 25:].any() and drop_known.all()
    # Stairs that lead down are both.
    assert stairs[80:, :20].all() and not stairs[:80].any() and stairs_known.all()
    other = next(iter(sources.read_rendered(read_pack(packs / "d_other.tar.gz"))))
    assert not split_labels(other.labels, "stairs")[1].any()


def test_the_side_of_a_drop_is_neither_drop_nor_level():
    marks = np.array([[0, 0, 3, 3, 2]], np.uint8)
    depth_m = np.array([[np.inf, 3.0, 2.0, 2.0, 2.0]], np.float32)
    below_m = np.array([[0.0, 0.6, 0.1, 0.2, 0.5]], np.float32)
    labels = sources.rendered_labels(marks, depth_m, below_m, steps=True)
    drop, known = split_labels(labels, "drop")
    assert known.tolist() == [[True, False, True, True, True]]
    assert drop.tolist() == [[False, False, False, True, True]]


def test_the_cache_gives_back_what_was_read(packs, tmp_path):
    read = list(sources.read_rendered(read_pack(packs / "p_corr1.tar.gz")))
    assert build_cache(tmp_path / "one", iter(read)) == 2
    for before, after in zip(read, load_cache(tmp_path / "one"), strict=True):
        assert (before.name, before.source, before.kind, before.licence, before.focal) == (
            after.name, after.source, after.kind, after.licence, after.focal,
        )  # fmt: skip
        assert np.array_equal(before.image, after.image)
        assert np.array_equal(before.labels, after.labels)
        assert np.allclose(before.inverse, after.inverse, rtol=1e-3, atol=1e-4)
    (tmp_path / "one" / "inverse.bin").write_bytes(b"")
    with pytest.raises(SourceError, match="not a cache"):
        load_cache(tmp_path / "one")


def test_held_out_scenes_walks_and_places_never_reach_training(packs, tmp_path):
    corpus = Corpus(tmp_path, [packs])
    names = {
        split: {s.source for s in corpus.samples(split)}
        for split in ("train", "validation", "held-out")
    }
    assert names["train"] == {"p_corr1", "d_other"}
    assert names["validation"] == {"p_stairs5"}
    assert names["held-out"] == {"p_stairs3", "walk_p_stairs3_0drop"}
    walks = ("walk_p_stairs3_0drop", "walk_p_street2_0obst", "walk_p_platform2_0drop")
    assert {split_of(name) for name in (*HELD_OUT, *walks)} == {"held-out"}
    assert {split_of(name) for name in VALIDATION} == {"validation"}
    assert split_of("walk_p_corr2_0obst") == split_of("walk_smallhouse_0obst") == "train"


def test_only_sources_that_allow_commercial_use_remain_when_asked(packs, tmp_path):
    corpus = Corpus(tmp_path, [packs])
    assert {s.source for s in corpus.samples("train", "commercial")} == {"p_corr1"}
    only = tmp_path / "only"
    only.mkdir()
    write_pack(only, "d_free", licence="images: non-commercial research")
    with pytest.raises(ModelError, match="no sample"):
        Corpus(tmp_path, [only]).samples("train", "commercial")


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("CC0 for the procedural part; furniture CC-BY 3.0 / CC0", True),
        ("CC-BY 3.0 (repository LICENSE)", True),
        ("MIT-0 (repository LICENSE)", True),
        ("MIT (own)", True),
        ("CC BY-NC 4.0", False),
        ("none stated", False),
        ("images: non-commercial research", False),
        ("BSD (package.xml); the copy used lies in a collection, GPL-3.0", False),
        ("BSD-2-Clause (repo LICENSE); the frames are SUN3D (Princeton, research use)", False),
        ("whoever asks", False),
    ],
)
def test_licences(licence, allowed):
    assert commercial(licence) == allowed


def _rgbd(folder, **meta):
    folder.mkdir()
    inverse_m = ground_inverse_m()
    depth = np.where(inverse_m > 0.1, 1000 / np.maximum(inverse_m, 0.1), 0).astype(np.uint16)
    cv2.imwrite(str(folder / "1_depth.png"), depth)
    cv2.imwrite(str(folder / "1_rgb.jpg"), np.full((ROWS, COLUMNS, 3), 90, np.uint8))
    (folder / "meta.json").write_text(json.dumps(meta))


def test_a_measured_folder_needs_its_camera_height_for_scale(tmp_path):
    lens = {"fx": FOCAL_PX, "fy": FOCAL_PX, "cx": COLUMNS / 2 - 0.5, "cy": ROWS / 2 - 0.5}
    mount = {"height_m": HEIGHT_M, "pitch_deg": 15.0, "roll_deg": -3.0}  # the other sign here
    _rgbd(tmp_path / "known", intrinsics=lens, frames={"1": mount}, licence="MIT")
    _rgbd(tmp_path / "unknown")
    one, other = find_datasets([tmp_path / "known", tmp_path / "unknown"])
    (sample,), (plain,) = sources.read_measured(one), sources.read_measured(other)
    assert sample.calibrated and not plain.calibrated and sample.licence == "MIT"
    assert max(sample.image.shape) == sources.SIDE and plain.licence == "none stated"
    ground, known = split_labels(sample.labels, "ground")
    assert ground[known].mean() > 0.95 and known.mean() > 0.4
    drop, drop_known = split_labels(sample.labels, "drop")
    assert np.array_equal(drop_known, known) and not drop.any()
    assert not plain.labels.any()
    assert np.nanmedian(sample.inverse / plain.inverse) == pytest.approx(HEIGHT_M, rel=1e-4)


def test_photos_have_a_shape_and_no_scale(tmp_path):
    files = {
        "a.jpg": np.full((64, 96, 3), 120, np.uint8),
        "a.png": np.full((40, 60), 255, np.uint8),
        "a_ground.png": np.repeat(np.array([[0, 1, 2, 255]], np.uint8), 64, 0).repeat(24, 1),
    }
    path = tmp_path / "camvid.tar"
    with tarfile.open(path, "w") as tar:
        for name, image in files.items():
            data = cv2.imencode(name[-4:], image)[1].tobytes()
            info = tarfile.TarInfo(f"camvid/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    (sample,) = sources.read_photos(path)
    assert not sample.calibrated and sample.licence == "CC BY-NC 4.0"
    assert sample.inverse.shape == sample.image.shape[:2] == (213, 320)
    assert sample.inverse.mean() == pytest.approx(2.0)
    (ground, known), (stairs, _), (_, drop_known) = (
        split_labels(sample.labels, name) for name in ("ground", "stairs", "drop")
    )
    assert ground[100].reshape(4, 80).all(1).tolist() == [False, True, False, False]
    assert stairs[100].reshape(4, 80).all(1).tolist() == [False, False, True, False]
    assert known[100].reshape(4, 80).all(1).tolist() == [True, True, True, False]
    assert not drop_known.any()


@pytest.mark.parametrize("damage", ["bytes", "no meta", "no depth"])
def test_a_damaged_pack_gives_one_sentence(packs, tmp_path, damage):
    path = tmp_path / "p_x.tar.gz"
    if damage == "bytes":
        path.write_bytes(b"no tar")
    else:
        left = "meta.json" if damage == "no meta" else "_depth.png"
        with tarfile.open(packs / "p_corr1.tar.gz") as old, tarfile.open(path, "w:gz") as new:
            for member in old.getmembers():
                if not member.name.endswith(left):
                    new.addfile(member, old.extractfile(member))
    with pytest.raises(SourceError, match="p_x"):
        list(sources.read_rendered(read_pack(path)))
    with pytest.raises(SourceError, match="holds no"):
        Corpus(tmp_path, photos=[tmp_path / "nowhere"]).samples("train")
