"""Inputs of unusual kinds are read whole, upright, in their time; or one sentence refuses them."""

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import all_frames, annexb, frames_of, noise, opened, seen, shades, write_video
from PIL import Image

from sonar.capture import ImageSource, LiveSource, VideoFileSource, image_paths, read_image
from sonar.errors import MissingExtraError, SourceError


def marked() -> np.ndarray:
    """Red at the top left, black elsewhere."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:32, :48] = (255, 0, 0)
    return image


def red_corner(image: np.ndarray) -> str:
    corners = {name: image[place].astype(int) for name, place in CORNERS.items()}
    return max(corners, key=lambda name: corners[name][0] - corners[name][2])


CORNERS = {
    "top left": (2, 2),
    "top right": (2, -3),
    "bottom left": (-3, 2),
    "bottom right": (-3, -3),
}


# --- what is a camera ------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs /dev/shm")
def test_a_recording_in_shared_memory_is_no_camera():
    path = Path(f"/dev/shm/sonar-test-{os.getpid()}.mp4")
    try:
        write_video(path, shades(3))
        assert seen(all_frames(path)) == [1, 2, 3]
    finally:
        path.unlink()


@pytest.mark.parametrize("spec", ["/dev/null", "/dev/zero"])
def test_a_device_that_is_no_camera_is_refused_at_once(spec):
    with pytest.raises(SourceError, match=f"{spec} is neither a file nor a camera"):
        opened(spec)


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="neither a file nor a camera: save the recording"):
        opened(tmp_path / "pipe.mp4")


@pytest.mark.parametrize("spec", ["/dev/video93", "/dev/v4l/by-id/usb-Chest_cam-index0"])
def test_a_camera_that_is_not_plugged_in_is_still_a_camera(spec):
    assert isinstance(opened(spec), LiveSource)


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["2024-05-01T12:30:05.mp4", "crypto:walk.mkv", "100%d:x.avi"])
def test_a_relative_name_with_a_colon_is_no_address(tmp_path, monkeypatch, name):
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    write_video(tmp_path / name, shades(3), codec=codec, pix_fmt="yuv420p")
    monkeypatch.chdir(tmp_path)
    assert seen(all_frames(name)) == [1, 2, 3]


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_a_name_that_is_not_utf8_is_read_and_its_label_can_be_written(tmp_path, suffix):
    path = tmp_path / os.fsdecode(b"caf\xe9" + suffix.encode())
    if suffix == ".mp4":
        write_video(tmp_path / "plain.mp4", shades(2)).rename(path)
    else:
        Image.fromarray(shades(1)[0]).save(tmp_path / "plain.png")
        (tmp_path / "plain.png").rename(path)
    assert seen(all_frames(path))[0] == 1
    assert opened(path).label == "caf\\xe9" + suffix


def test_what_a_file_is_decides_its_bytes_not_its_name(tmp_path):
    Image.fromarray(shades(1)[0]).save(tmp_path / "photo.png")
    (tmp_path / "photo.png").rename(tmp_path / "photo.mp4")
    assert isinstance(opened(tmp_path / "photo.mp4"), ImageSource)


# --- images that are more than one -----------------------------------------------------------


def animated(path: Path, count: int = 5, **options) -> Path:
    first, *rest = [Image.fromarray(image) for image in shades(count)]
    first.save(path, save_all=True, append_images=rest, **options)
    return path


@pytest.mark.parametrize("name", ["walk.png", "walk.gif"])
def test_an_animation_is_read_whole_in_its_times(tmp_path, name):
    path = animated(tmp_path / name, duration=[200, 200, 100, 400, 300])
    frames = all_frames(path)
    assert seen(frames) == [1, 2, 3, 4, 5]
    assert [f.t for f in frames] == pytest.approx([0.0, 0.2, 0.4, 0.5, 0.9], abs=0.011)
    assert frames[-1].duration_s == pytest.approx(0.3, abs=0.011)
    with pytest.raises(SourceError, match="holds 5 frames, not one image: convert it to MP4"):
        read_image(path)


@pytest.mark.parametrize("name", ["walk.webp", "walk.avif", "pages.tif"])
def test_an_animation_of_which_the_first_frame_only_would_be_read_is_refused(tmp_path, name):
    path = animated(tmp_path / name, 3)
    with pytest.raises(SourceError, match=r"holds 3 frames, not one image: convert it to MP4"):
        opened(path).open()
    Image.fromarray(shades(1)[0]).save(path)
    assert seen(all_frames(path)) == [1] * 5  # as any still image


def test_the_image_that_apng_keeps_for_old_viewers_is_not_a_frame(tmp_path):
    path = animated(tmp_path / "a.png", 4, default_image=True)
    assert seen(all_frames(path)) == [2, 3, 4]


@pytest.mark.parametrize("name", ["walk.gif", "walk.png"])
def test_an_animation_that_is_cut_off_gives_what_is_whole_then_says_so(tmp_path, name):
    first, *rest = [Image.fromarray(image).quantize(64) for image in noise(3, (48, 64))]
    first.save(tmp_path / name, save_all=True, append_images=rest, duration=100)
    whole = [frame.image for frame in all_frames(tmp_path / name)]
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: -len(data) // 10])
    source = opened(tmp_path / name)
    source.open()
    for image in whole[:-1]:
        assert np.array_equal(source.read(1.0).image, image)
    with pytest.raises(SourceError, match="cut off after"):
        source.read(1.0)


def raw_photo(path: Path) -> None:
    """As DNG, NEF and ARW are: a TIFF whose first image is a preview."""
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    Image.fromarray(shades(1)[0]).save(path, format="TIFF", tiffinfo=tags)


def test_a_cameras_raw_file_is_refused_instead_of_reading_its_preview(tmp_path):
    raw_photo(tmp_path / "photo.dng")
    with pytest.raises(SourceError, match=r"photo\.dng is a camera's raw file.*convert it to JPEG"):
        all_frames(tmp_path / "photo.dng")


def test_a_preview_behind_the_image_of_a_tiff_belongs_to_it(tmp_path):
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    image = Image.fromarray(marked())
    with TiffImagePlugin.AppendingTiffWriter(str(tmp_path / "scan.tif"), True) as file:
        image.save(file, format="TIFF")
        file.newFrame()
        image.resize((24, 16)).save(file, format="TIFF", tiffinfo=tags)
        file.newFrame()
    assert np.array_equal(read_image(tmp_path / "scan.tif"), marked())


def test_heic_is_refused_with_what_helps_where_its_reader_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pillow_heif", None)
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    source = opened(tmp_path / "photo.heic")
    with pytest.raises(MissingExtraError, match=r"HEIC.*convert it to JPEG.*'sonar-assist\[heic\]"):
        source.open()


def test_a_heif_sequence_is_refused(tmp_path):
    (tmp_path / "burst.heic").write_bytes(b"\0\0\0\x18ftyphevc\0\0\0\0msf1hevc" + bytes(100))
    with pytest.raises(SourceError, match=r"HEIF sequence.*convert it to MP4"):
        opened(tmp_path / "burst.heic").open()


def test_heic_in_tiles_is_read_whole(tmp_path):
    pytest.importorskip("pillow_heif")
    from heif_grid import grid_of

    tiles = [Image.fromarray(image) for image in shades(4, (64, 64))]
    (tmp_path / "photo.heic").write_bytes(grid_of(tiles, rows=2, columns=2))
    image = read_image(tmp_path / "photo.heic")
    assert image.shape == (128, 128, 3)
    corners = [image[place].mean() for place in CORNERS.values()]
    assert corners == pytest.approx([20, 40, 60, 80], abs=3)


# --- videos: orientation, shape, streams ------------------------------------------------------


def test_orientation_that_changes_within_a_stream(tmp_path):
    parts = ["", "flip=horizontal", "rotate=180", ""]
    path = tmp_path / "turning.h264"
    path.write_bytes(b"".join(annexb([marked()] * 30, part) for part in parts))
    corners = [red_corner(frame.image) for frame in frames_of(path)]
    expected = ["top left", "top right", "bottom right", "top left"]
    assert corners == [corner for corner in expected for _ in range(30)]


@pytest.mark.parametrize(
    ("turn", "corner"),
    [
        *[((90, False, False), "bottom left"), ((0, True, False), "top right")],
        *[((0, False, True), "bottom left"), ((180, False, False), "bottom right")],
    ],
)
def test_orientation_of_a_container_turns_and_mirrors_every_frame(tmp_path, turn, corner):
    path = tmp_path / "phone.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        if not hasattr(stream, "set_display_rotation"):
            pytest.skip("this PyAV cannot write an orientation")
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.set_display_rotation(turn[0], hflip=turn[1], vflip=turn[2])
        for _ in range(40):
            frame = av.VideoFrame.from_ndarray(marked(), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert {red_corner(frame.image) for frame in frames_of(path)} == {corner}


def test_exif_in_the_frames_of_a_camera_is_no_failure(tmp_path):
    """PyAV cannot name this part of a frame; turned by half, and by a quarter to either side."""
    for orientation, corner in ((1, "top left"), (3, "bottom right"), (6, "top right")):
        exif, data = Image.Exif(), io.BytesIO()
        exif[0x0112] = orientation
        Image.fromarray(marked()).save(data, "JPEG", exif=exif)
        (tmp_path / "camera.mjpeg").write_bytes(data.getvalue() * 3)
        frames = frames_of(tmp_path / "camera.mjpeg")
        assert [red_corner(frame.image) for frame in frames] == [corner] * 3


def squeezed(path: Path, image: np.ndarray, width: int, aspect: Fraction) -> Path:
    """``image`` stored with ``width`` columns of pixels of this shape."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"crf": "1"})
        stream.height, stream.width, stream.pix_fmt = image.shape[0], width, "yuv444p"
        stream.codec_context.sample_aspect_ratio = aspect
        small = np.asarray(Image.fromarray(image).resize((width, image.shape[0])))
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", ["dv.mp4", "dv.mkv", "dv.ts"])
@pytest.mark.parametrize(("width", "aspect"), [(144, Fraction(4, 3)), (216, Fraction(8, 9))])
def test_frames_have_square_pixels(tmp_path, name, width, aspect):
    scene = np.asarray(Image.fromarray(marked()).resize((192, 144)))
    image = frames_of(squeezed(tmp_path / name, scene, width, aspect))[0].image
    ratio = image.shape[1] / image.shape[0]
    assert ratio == pytest.approx(192 / 144, abs=0.01)
    same_size = np.asarray(Image.fromarray(image).resize((192, 144)))
    assert np.abs(same_size.astype(int) - scene).mean() < 3


def test_an_absurd_pixel_shape_is_ignored(tmp_path):
    path = squeezed(tmp_path / "odd.mkv", marked(), 96, Fraction(200, 1))
    assert frames_of(path)[0].image.shape == (64, 96, 3)


def test_the_stream_that_is_marked_as_default_is_read(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in range(2)]
        for stream, default in zip(streams, (0, 1), strict=True):
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            stream.disposition = default
        for stream, image in zip(streams, shades(2), strict=True):
            for _ in range(3):
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    assert seen(frames_of(path)) == [2, 2, 2]


def test_the_cover_of_a_song_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        cover.disposition = 1 << 10  # attached_pic
        container.mux(cover.encode(av.VideoFrame.from_ndarray(shades(1)[0], format="rgb24")))
        container.mux(cover.encode())
    with pytest.raises(SourceError, match="has no video in it"):
        VideoFileSource(path).open()


def test_a_video_without_a_decoder_is_not_called_damaged(tmp_path):
    path = write_video(tmp_path / "new.avi", shades(3), codec="mpeg4", pix_fmt="yuv420p")
    data = path.read_bytes()
    assert b"FMP4" in data
    path.write_bytes(data.replace(b"FMP4", b"QZX9").replace(b"fmp4", b"qzx9"))
    with pytest.raises(SourceError, match=r"new\.avi holds a video in a format that cannot be"):
        VideoFileSource(path).open()


def test_a_playlist_on_disk_is_no_recording(tmp_path):
    write_video(tmp_path / "a.ts", shades(10), pix_fmt="yuv420p")
    playlist = tmp_path / "live.m3u8"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\na.ts\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError, match=r"live\.m3u8 is a playlist"):
        all_frames(playlist)


@pytest.mark.parametrize("suffix", [".tga", ".pcx", ".ico", ".sgi"])
def test_images_that_ffmpeg_would_take_for_videos_are_refused(tmp_path, suffix):
    path = tmp_path / f"photo{suffix}"
    Image.fromarray(shades(1)[0]).save(path)
    with pytest.raises(SourceError, match="convert it to PNG or JPEG"):
        all_frames(path)


def test_a_fifo_or_a_device_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(SourceError, match="neither a file nor a camera"):
            image_paths(path)
