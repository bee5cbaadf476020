"""The times of frames: raw streams, steps of the clock, gaps, the last frame, edit lists."""

from fractions import Fraction

import av
import pytest
from conftest import all_frames, annexb, frames_of, opened, shades, write_video

from sonar.capture import VideoFileSource


@pytest.mark.parametrize("name", ["walk.h264", "walk.h265"])
def test_a_raw_stream_runs_at_the_rate_its_codec_states(tmp_path, name):
    path = tmp_path / name
    if name.endswith("h264"):
        path.write_bytes(annexb(shades(8) * 4))
    else:
        with av.open(str(path), "w", format="hevc") as container:
            stream = container.add_stream(
                "libx265", rate=30, options={"x265-params": "log-level=0"}
            )
            stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
            for image in shades(8) * 4:
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    source = VideoFileSource(path)
    source.open()
    assert source.rate_hz == 30.0
    frames = list(iter(lambda: source.read(1.0), None))
    assert len(frames) == 32
    assert [f.t for f in frames] == pytest.approx([i / 30 for i in range(32)])


def test_a_raw_stream_that_states_no_rate_takes_the_configured_one(tmp_path, caplog):
    path = write_video(tmp_path / "walk.mjpeg", shades(5), codec="mjpeg", pix_fmt="yuvj420p")
    assert [f.t for f in all_frames(path, raw_rate_hz=10.0)] == pytest.approx(
        [0.0, 0.1, 0.2, 0.3, 0.4]
    )
    assert "states no frame rate: 10 Hz is assumed (capture.raw_rate_hz)" in caplog.text


def test_a_raw_stream_that_claims_an_absurd_rate_takes_the_configured_one(tmp_path):
    codec = av.CodecContext.create("libx264", "w")
    codec.height, codec.width, codec.pix_fmt = 48, 64, "yuv420p"
    codec.time_base, codec.framerate = Fraction(1000), Fraction(1, 1000)
    frames = [av.VideoFrame.from_ndarray(image, format="rgb24") for image in shades(4)]
    packets = [packet for frame in frames for packet in codec.encode(frame)]
    data = b"".join(bytes(packet) for packet in [*packets, *codec.encode(None)])
    (tmp_path / "slow.h264").write_bytes(data)
    assert all_frames(tmp_path / "slow.h264")[-1].t == pytest.approx(3 / 25)


@pytest.mark.parametrize("step_s", [3_000_000_000, 3_600])
def test_a_step_of_the_recorders_clock_is_closed_and_said(tmp_path, caplog, step_s):
    pts = [i * 100 + (step_s * 1000 if i >= 5 else 0) + 6_000_000 for i in range(10)]
    path = write_video(tmp_path / "step.mkv", shades(10), pts=pts, pix_fmt="yuv420p")
    frames = frames_of(path)
    assert len(frames) == 10 and frames[-1].t < 1.3
    assert caplog.text.count("its clock jumps") == 1
    source = opened(path)
    source.open()
    count = source.frame_count
    source.close()
    assert count is None or count < 1000  # not what would fit into the step


def test_a_slow_video_keeps_its_long_gaps(tmp_path, caplog):
    path = write_video(tmp_path / "slow.mkv", shades(3), pts=[0, 50_000, 90_000], pix_fmt="yuv420p")
    assert [f.t for f in frames_of(path)] == pytest.approx([0.0, 50.0, 90.0], abs=0.01)
    assert "jumps" not in caplog.text


def test_the_last_frame_lasts_as_long_as_the_file_says(tmp_path):
    with av.open(str(tmp_path / "slides.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for pts, image in zip((0, 1000), shades(2), strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = pts, Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode()
        packets[-1].duration = int(9 / packets[-1].time_base)
        container.mux(packets)
    frames = frames_of(tmp_path / "slides.mp4")
    assert [f.t for f in frames] == pytest.approx([0.0, 1.0])
    assert frames[-1].duration_s == pytest.approx(9.0, abs=0.01)


def test_what_an_edit_list_leaves_out_is_not_expected(tmp_path):
    path = tmp_path / "trimmed.mp4"
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        packets = [
            packet
            for image in shades(10) * 10
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
        ]
        for packet in [*packets, *stream.encode()]:
            packet.pts -= int(6 / packet.time_base)
            packet.dts -= int(6 / packet.time_base)
            container.mux(packet)
    source = VideoFileSource(path)
    source.open()
    expected = source.frame_count
    assert expected == len(list(iter(lambda: source.read(1.0), None))) == 40
