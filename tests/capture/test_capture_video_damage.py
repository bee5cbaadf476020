"""Videos that are none, cut off or damaged: what is whole is given, the rest is reported."""

from pathlib import Path

import av
import numpy as np
import pytest
from conftest import frames_of, noise, write_video

from sonar.capture import VideoFileSource
from sonar.errors import SourceError


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"This is a shopping list.\n" * 50, "not a video"),
        (bytes(5000), "not a video"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:1/a.ts\n", "not a video|no video"),
    ],
)
def test_what_is_no_video(tmp_path, content, message):
    path = tmp_path / "trick.mp4"
    path.write_bytes(content)
    source = VideoFileSource(path)
    with pytest.raises(SourceError, match=message) as caught:
        source.open()
    assert str(path) in str(caught.value)
    source.close()


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        VideoFileSource(tmp_path / "none.mp4").open()
    with pytest.raises(SourceError, match="is a folder"):
        VideoFileSource(tmp_path).open()


def test_sound_alone_is_no_video(tmp_path):
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16000))
    with pytest.raises(SourceError, match="no video"):
        VideoFileSource(path).open()


def read_until_it_ends(path: Path) -> tuple[list, Exception | None]:
    source = VideoFileSource(path)
    frames: list = []
    try:
        source.open()
        while (frame := source.read(1.0)) is not None:
            frames.append(frame)
    except SourceError as error:
        return frames, error
    finally:
        source.close()
    return frames, None


def test_cut_mp4_without_index(tmp_path):
    whole = write_video(tmp_path / "whole.mp4", noise(20))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames, error = read_until_it_ends(cut)
    assert frames == [] and "damaged" in str(error)


def test_cut_mp4_with_index_gives_what_is_whole_then_says_so(tmp_path):
    whole = write_video(
        tmp_path / "whole.mp4", noise(40), container_options={"movflags": "faststart"}
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames, error = read_until_it_ends(cut)
    assert 12 <= len(frames) <= 21
    assert str(cut) in str(error) and "cut off" in str(error)
    good = frames_of(whole)
    for frame, reference in zip(frames[:10], good, strict=False):
        assert (frame.image == reference.image).all()


@pytest.mark.parametrize("name", ["cut.mkv", "cut.ts", "cut.avi"])
def test_other_cut_containers_give_what_is_there(tmp_path, name):
    codec = "mpeg4" if name.endswith("avi") else "libx264"
    whole = write_video(tmp_path / f"whole-{name}", noise(40), codec=codec, pix_fmt="yuv420p")
    cut = tmp_path / name
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    frames, error = read_until_it_ends(cut)
    assert len(frames) >= 10
    assert error is None or name in str(error)


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.avi", "mpeg4")])
def test_damaged_packets_are_skipped_and_counted(tmp_path, name, codec):
    images = [np.roll(noise(1)[0], 2 * i, axis=1) for i in range(40)]
    path = write_video(tmp_path / name, images, codec=codec, pix_fmt="yuv420p")
    with av.open(str(path)) as container:
        packets = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(3)
    for position, size in (packets[i] for i in (10, 11, 30)):
        start, end = position + size // 2, position + size - 8
        data[start:end] = rng.bytes(end - start)
    path.write_bytes(bytes(data))
    source = VideoFileSource(path)
    source.open()
    frames = list(iter(lambda: source.read(1.0), None))
    source.close()
    assert source.corrupt == 3
    assert len(frames) == 37
    times = np.diff([f.t for f in frames])
    assert (times > 0).all()
    assert times.max() > 0.15  # what is missing leaves a gap; the rest keeps its time
