"""Writing a video with its sound so that it stays playable whatever happens.

The file grows as fragmented MP4: after a crash or a full disk, what was written plays. A run
that ends well is repacked once (no re-encoding) with its index in front, which every phone and
browser can seek in.
"""

from pathlib import Path

from sonar.capture.encode import VideoWriter
from sonar.files import media_path


def even_size(height: int, width: int, max_side_px: int) -> tuple[int, int]:
    """(height, width) that H.264 takes: even, at least 64, longer side at most ``max_side_px``.

    The aspect is kept except where a side would fall below 64 pixels.
    """
    scale = min(1.0, max_side_px / max(height, width))
    return (
        max(64, 2 * round(height * scale / 2)),
        max(64, 2 * round(width * scale / 2)),
    )


def fitted_size(height: int, width: int, high: int, wide: int) -> tuple[int, int]:
    """(height, width) of an image of (height, width) made to fit into (high, wide), not stretched.

    A difference of a pixel or two, which comes from rounding to even numbers, is filled.
    """
    scale = min(high / height, wide / width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    return (high if high - rows <= 2 else rows, wide if wide - columns <= 2 else columns)


class AnnotatedVideo(VideoWriter):
    """H.264 + AAC in fragmented MP4, which is repacked when it ends well."""

    def __init__(
        self, path: Path, height: int, width: int, rate_hz: float, audio_rate_hz: int, quality: int
    ) -> None:
        super().__init__(
            path,
            height,
            width,
            rate_hz,
            format="mp4",
            options={"movflags": "frag_keyframe+delay_moov+default_base_moof"},
            # For crf in place of qp, x264 guesses the cost of every frame first: a fifth more time.
            x264={"qp": str(quality)},
            audio_rate_hz=audio_rate_hz,
        )

    def close(self) -> None:
        """Finish the file and repack it; after an earlier failure, only release it."""
        super().close()
        if not self.failed:
            _repack(self.path)


def _repack(path: Path) -> None:
    """Copy the streams into an MP4 with its index in front; keep the old file if that fails."""
    import av

    beside = path.with_name(f".{path.name}.part")
    try:
        with (
            av.open(media_path(path)) as source,
            av.open(
                media_path(beside), "w", format="mp4", options={"movflags": "faststart"}
            ) as target,
        ):
            streams = {s.index: target.add_stream_from_template(s) for s in source.streams}
            for packet in source.demux():
                if packet.dts is not None:
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        beside.replace(path)
    except (OSError, av.FFmpegError):
        beside.unlink(missing_ok=True)  # the fragmented file plays as well
