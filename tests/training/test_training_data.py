"""Training pictures: formats, splits, ground from measured depth, augmentation."""

import io
import json
import tarfile

import cv2
import numpy as np
import pytest

from sonar.errors import SourceError
from sonar.lab.evaluate.data import FrameMount, Intrinsics
from sonar.lab.training import augment, data


def png(image):
    ok, encoded = cv2.imencode(".png", image)
    assert ok
    return encoded.tobytes()


def jpg(image):
    ok, encoded = cv2.imencode(".jpg", image[:, :, ::-1])
    assert ok
    return encoded.tobytes()


def pack(path, files):
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(f"pack/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def photo_files(name="a", ground=True):
    image = np.full((64, 80, 3), (200, 30, 30), np.uint8)
    label = np.full((40, 50), 51, np.uint8)
    mask = np.zeros((64, 80), np.uint8)
    mask[32:] = 1
    files = {f"{name}.jpg": jpg(image), f"{name}.png": png(label)}
    return files | ({f"{name}_ground.png": png(mask)} if ground else {})


def test_a_pack_gives_levels_ground_and_rgb(tmp_path):
    pack(tmp_path / "pack.tar", photo_files() | photo_files("b", ground=False))
    first, second = data.read_photos([tmp_path])
    assert (first.name, first.source, first.kind) == ("a", "pack", "photo")
    assert first.level.shape == first.ground.shape == (40, 50)
    assert first.level[3, 3] == pytest.approx(2 * (51 / 255) ** 2)
    assert first.image[5, 5, 0] > 150 > first.image[5, 5, 2]  # red comes first
    assert (first.ground[:18] == 0).all() and (first.ground[22:] == 1).all()
    assert (second.ground == data.UNKNOWN).all()


def test_a_folder_reads_as_its_tar(tmp_path):
    (tmp_path / "photos").mkdir()
    for name, content in photo_files().items():
        (tmp_path / "photos" / name).write_bytes(content)
    assert [s.name for s in data.read_photos([tmp_path / "photos"])] == ["a"]


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({"a.jpg": b"no picture", "a.png": png(np.zeros((4, 4), np.uint8))}, "a.jpg is not a pic"),
        ({"a.jpg": photo_files()["a.jpg"]}, "no depth label a.png"),
        ({"a.jpg": photo_files()["a.jpg"], "a.png": b""}, "a.png is not a picture"),
        ({}, "No photo"),
    ],
)
def test_a_bad_pack_gives_one_clear_sentence(tmp_path, files, says):
    pack(tmp_path / "bad.tar", files)
    with pytest.raises(SourceError, match=says) as error:
        data.read_photos([tmp_path / "bad.tar"])
    assert str(error.value).count("\n") == 0


def test_no_tar_no_folder_no_scenes(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"not a tar")
    with pytest.raises(SourceError, match="not a readable tar"):
        data.read_photos([tmp_path / "x.tar"])
    with pytest.raises(SourceError, match="is not there"):
        data.read_photos([tmp_path / "nowhere"])
    with pytest.raises(SourceError, match="make them with 'render'"):
        data.read_rendered(tmp_path)
    (tmp_path / "scene_0_00000.npz").write_bytes(b"broken")
    with pytest.raises(SourceError, match="not a rendered scene"):
        data.read_rendered(tmp_path)


def test_the_split_goes_by_name_and_never_changes():
    names = [f"photo_{n}" for n in range(2000)]
    out = [n for n in names if data.held_out(n)]
    assert 0.04 < len(out) / len(names) < 0.08
    assert out[:3] == ["photo_25", "photo_26", "photo_32"]


def floor_scene(height_m=1.5, pitch_deg=20.0):
    """A floor, and a wall 3 m ahead from row to row."""
    k = Intrinsics(fx=120, fy=120, cx=79.5, cy=59.5)
    y = ((np.arange(120) - k.cy) / k.fy)[:, None] * np.ones((1, 160))
    p = np.radians(pitch_deg)
    down, ahead = y * np.cos(p) + np.sin(p), np.cos(p) - y * np.sin(p)
    floor = np.where(down > 1e-3, height_m / np.maximum(down, 1e-3), np.inf)
    depth = np.minimum(floor, 3.0 / ahead).astype(np.float32)
    return (
        depth,
        k,
        FrameMount(height_m=height_m, pitch_deg=pitch_deg, roll_deg=0.0),
        floor > 1.01 * depth,
    )


def test_floor_is_marked_on_the_plane_and_not_above_it():
    depth, k, mount, wall = floor_scene()
    depth[0, 0] = np.nan
    mask = data.floor_mask(depth, k, mount)
    assert mask[0, 0] == data.UNKNOWN
    assert (mask[wall] != 1).mean() > 0.9 and (mask[~wall] == 1).all()
    assert (mask == 0).any()


def test_metres_become_the_level_the_zones_expect(tmp_path):
    depth, k, _, _ = floor_scene()
    folder = tmp_path / "room"
    folder.mkdir()
    millimetres = (depth * 1000).astype(np.uint16)
    cv2.imwrite(str(folder / "1_depth.png"), millimetres)
    cv2.imwrite(str(folder / "1_rgb.png"), np.zeros((120, 160, 3), np.uint8))
    meta = {
        "intrinsics": k.model_dump(),
        "frames": {"1": {"height_m": 1.5, "pitch_deg": 20.0, "roll_deg": 0.0}},
    }
    (folder / "meta.json").write_text(json.dumps(meta))
    (sample,) = data.read_measured([folder])
    assert sample.kind == "measured" and sample.source == "room"
    lowest = 1.5 / depth[-1, 80]  # camera heights per metre
    assert sample.level[-1, 160] == pytest.approx((lowest + 0.024) / 0.8, rel=0.02)
    assert (sample.ground[-1] == 1).all()


def ramp(kind="rendered"):
    level = np.tile(np.linspace(0, 1, 96, dtype=np.float32)[:, None], (1, 128))
    image = np.repeat((level * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    ground = (level > 0.5).astype(np.uint8)
    return data.Sample("ramp", "test", kind, image, level, ground)


def test_geometry_moves_picture_depth_and_ground_together():
    sample = ramp()
    for seed in range(30):
        image, level, ground = augment.geometry(np.random.default_rng(seed), sample, (64, 96))
        assert image.shape == (64, 96, 3) and level.shape == ground.shape == (64, 96)
        known = np.isfinite(level)
        assert known.mean() > 0.7
        assert np.abs(image[known][:, 0] / 255.0 - level[known]).max() < 0.03
        sure = known & (np.abs(level - 0.5) > 0.03) & (ground < 2)
        assert ((level > 0.5) == (ground == 1))[sure].all()


def test_augmentation_is_seeded_and_does_vary():
    sample = ramp("photo")
    one, same, other = (
        augment.example(np.random.default_rng(seed), sample, (64, 96)) for seed in (1, 1, 2)
    )
    assert (one.image == same.image).all() and (one.ground == same.ground).all()
    assert one.image.shape == (3, 64, 96) and one.image.dtype == np.float32
    assert np.abs(one.image - other.image).mean() > 0.05
    assert np.isfinite(one.image).all()


def test_crops_go_down_more_than_up():
    sample = ramp()
    means = []
    for seed in range(200):
        _, level, _ = augment.geometry(np.random.default_rng(seed), sample, (64, 96))
        means.append(np.nanmean(level))
    assert np.mean(means) > 0.515
