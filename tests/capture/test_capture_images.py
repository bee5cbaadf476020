"""Every kind of image becomes upright uint8 RGB, or one clear error."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import jpeg
from PIL import Image

from sonar.capture import ImageSource, image_paths, read_image
from sonar.capture.images import is_image
from sonar.errors import SourceError

RED = (255, 0, 0)


def save(path: Path, bgr: np.ndarray) -> Path:
    assert cv2.imwrite(str(path), bgr)
    return path


def solid(value: object, dtype: type, channels: int = 3) -> np.ndarray:
    shape = (5, 7) if channels == 1 else (5, 7, channels)
    return np.full(shape, value, dtype)


@pytest.mark.parametrize(
    ("name", "bgr", "expected"),
    [
        ("red.png", solid((0, 0, 255), np.uint8), RED),
        ("red.jpg", solid((0, 0, 255), np.uint8), RED),
        ("red.bmp", solid((0, 0, 255), np.uint8), RED),
        ("red.webp", solid((0, 0, 255), np.uint8), RED),
        ("red.tif", solid((0, 0, 255), np.uint8), RED),
        ("red.ppm", solid((0, 0, 255), np.uint8), RED),
        ("gray.png", solid(100, np.uint8, 1), (100, 100, 100)),
        ("gray.jpg", solid(100, np.uint8, 1), (100, 100, 100)),
        ("red16.png", solid((0, 0, 65535), np.uint16), RED),
        ("gray16.png", solid(257 * 100, np.uint16, 1), (100, 100, 100)),
        ("red16.tif", solid((0, 0, 65535), np.uint16), RED),
        ("opaque.png", solid((0, 0, 255, 255), np.uint8, 4), RED),
        ("half.png", solid((0, 0, 255, 128), np.uint8, 4), (255, 127, 127)),
        ("clear.png", solid((0, 0, 255, 0), np.uint8, 4), (255, 255, 255)),
    ],
)
def test_kinds_of_image(tmp_path, name, bgr, expected):
    image = read_image(save(tmp_path / name, bgr))
    assert (image.dtype, image.shape, image.flags.c_contiguous) == (np.uint8, (5, 7, 3), True)
    assert np.abs(image.astype(int) - expected).max() <= 2


def test_palette_png(tmp_path):
    image = Image.new("P", (7, 5), 1)
    image.putpalette([0, 0, 255, 255, 0, 0])
    image.save(tmp_path / "palette.png")
    assert (read_image(tmp_path / "palette.png") == RED).all()
    image.save(tmp_path / "holes.png", transparency=1)
    assert (read_image(tmp_path / "holes.png") == 255).all()


MARKED = np.zeros((32, 64, 3), np.uint8)
MARKED[:16, :32] = RED  # red at the top left, as stored


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *[("turned.jpg", "RGB"), ("turned.png", "RGB"), ("turned.png", "RGBA")],
        *[("turned.webp", "RGBA"), ("turned.tif", "RGB"), ("turned.avif", "RGB")],
    ],
)
@pytest.mark.parametrize(
    ("orientation", "red_corner"),
    [
        *[(1, (0, 0)), (2, (0, -1)), (3, (-1, -1)), (4, (-1, 0))],
        *[(5, (0, 0)), (6, (0, -1)), (7, (-1, -1)), (8, (-1, 0))],
    ],
)
def test_orientation_in_every_format(tmp_path, name, mode, orientation, red_corner):
    """EXIF in all of them, and what Pillow makes of it in AVIF: its irot and imir boxes."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(MARKED).convert(mode).save(tmp_path / name, exif=exif)
    image = read_image(tmp_path / name)
    assert image.shape == ((32, 64, 3) if orientation <= 4 else (64, 32, 3))
    corners = {c: int(image[c][0]) for c in ((0, 0), (0, -1), (-1, 0), (-1, -1))}
    assert max(corners, key=corners.__getitem__) == red_corner
    assert image[red_corner][0] > 200 and image[red_corner][2] < 60


def test_damaged_exif_leaves_the_image_as_it_is_stored(tmp_path):
    Image.fromarray(MARKED).save(tmp_path / "odd.png", exif=b"Exif\0\0" + b"\xff" * 40)
    assert read_image(tmp_path / "odd.png")[0, 0].tolist() == list(RED)


@pytest.mark.parametrize("size", [(1, 1), (4000, 33), (1, 5000)])
def test_odd_sizes(tmp_path, size):
    image = read_image(save(tmp_path / "odd.png", np.full((*size, 3), (0, 0, 255), np.uint8)))
    assert image.shape == (*size, 3)
    assert (image == RED).all()


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.98])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_cut_off_image_is_an_error_not_a_grey_wall(tmp_path, suffix, cut):
    noise = np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)
    whole = save(tmp_path / f"whole{suffix}", noise).read_bytes()
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole[: int(len(whole) * cut)])
    with pytest.raises(SourceError, match=rf"cut{suffix} is (damaged|not an image)"):
        read_image(path)


def test_data_behind_the_image_is_harmless(tmp_path):
    path = tmp_path / "motion.jpg"  # phones append a video
    path.write_bytes(jpeg(RED) + b"\xff\xda" + bytes(range(256)) * 8)
    assert read_image(path)[0, 0, 0] > 250


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "is empty"),
        (b"hello there", "not an image that sonar can read"),
        (b"\xff\xd8\xff", "damaged"),
        (b"8BPS\0\1" + bytes(60), "not an image that sonar can read.*convert it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_bad_files(tmp_path, content, message):
    path = tmp_path / "bad.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        read_image(path)
    assert "bad.jpg" in str(caught.value)


def test_a_video_with_the_name_of_an_image_is_no_image(tmp_path):
    path = tmp_path / "walk.jpg"
    path.write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(64))
    assert not is_image(path)


def test_floating_point_image_is_refused(tmp_path):
    path = save(tmp_path / "float.tif", solid(0.5, np.float32, 1))
    with pytest.raises(SourceError, match=r"float\.tif holds floating-point values: convert"):
        read_image(path)


def test_image_too_large_for_memory_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "huge.png"
    small = save(tmp_path / "small.png", solid(0, np.uint8)).read_bytes()
    header = b"IHDR" + struct.pack(">II", 60_000, 60_000) + small[24:29]
    path.write_bytes(small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:])
    with pytest.raises(SourceError, match=r"huge\.png is too large"):
        read_image(path)


def test_folder_is_not_a_image(tmp_path):
    with pytest.raises(SourceError, match="is a folder"):
        read_image(tmp_path)


def test_folder_in_natural_order_with_stable_times(tmp_path):
    for number in (10, 2, 1):
        save(tmp_path / f"walk{number}.png", np.full((4, 4, 3), number, np.uint8))
    (tmp_path / "walk3.png").write_bytes(b"broken")
    (tmp_path / "notes.txt").write_text("not a image")
    (tmp_path / ".hidden.png").write_bytes(b"broken")
    source = ImageSource(image_paths(tmp_path), "walk")
    for _ in range(2):  # it can be played again
        source.open()
        frames = [source.read(1.0) for _ in range(3)]
        assert [(f.image[0, 0, 0], f.id, f.t) for f in frames] == [
            (1, 0, 0.0),
            (2, 1, 0.5),
            (10, 3, 1.5),
        ]
        assert source.read(1.0) is None
        assert (source.frame_count, source.corrupt, source.dropped) == (4, 1, 0)
        source.close()


def test_folder_of_broken_images(tmp_path):
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(b"broken")
    source = ImageSource(image_paths(tmp_path), "walk")
    source.open()
    with pytest.raises(SourceError, match="None of the 3 images"):
        source.read(1.0)


def test_empty_folder(tmp_path):
    with pytest.raises(SourceError, match="holds no images"):
        image_paths(tmp_path)


def test_photos_of_scikit_image():
    skimage = pytest.importorskip("skimage")
    folder = Path(skimage.__file__).parent / "data"
    photos = [folder / name for name in ("astronaut.png", "camera.png", "rocket.jpg", "retina.jpg")]
    if not all(photo.is_file() for photo in photos):
        pytest.skip("this scikit-image ships no photos")
    for photo in photos:
        image = read_image(photo)
        assert image.shape[2] == 3 and image.std() > 10
    astronaut = read_image(photos[0])  # her suit is orange: more red than blue
    suit = astronaut[400:500, 150:300].reshape(-1, 3).mean(axis=0)
    assert suit[0] > suit[2] + 20


def test_a_still_image_is_seen_for_half_a_second(tmp_path):
    path = save(tmp_path / "a.png", np.full((8, 6, 3), 7, np.uint8))
    source = ImageSource([path], "a.png")
    with pytest.raises(SourceError, match="not open"):
        source.read(1.0)
    for _ in range(2):  # it may be opened again
        source.open()
        frames = [source.read(1.0) for _ in range(source.frame_count)]
        assert source.read(1.0) is None
        assert [frame.id for frame in frames] == list(range(5))
        assert frames[-1].t == pytest.approx(0.4) and (frames[0].image == 7).all()
    source.close()
