"""Decoded frames are let go at once, not when the garbage collector happens to come."""

import gc
from pathlib import Path

import av
import numpy as np

from sonar.capture import VideoFileSource


def test_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    path = tmp_path / "walk.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(200):
            image = np.full((48, 64, 3), i, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    source = VideoFileSource(path)
    source.open()
    gc.collect()
    gc.disable()
    try:
        count = 0
        while source.read(1.0) is not None:
            count += 1
        alive = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
        source.close()
    assert count == 200
    assert alive < 5
