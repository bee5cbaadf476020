"""The command line as people run it: in-process, with its output and exit code."""

import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from sonar.cli.root import execute

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def sonar(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Run a command line; returns exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SONAR_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SONAR_AUDIO__OUTPUT", "null")

    def call(*words: str | Path) -> tuple[int, str, str]:
        capfd.readouterr()
        code = execute([str(word) for word in words])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def spawn(
    *words: str | Path, file_limit_bytes: int | None = None, **environment: str
) -> "subprocess.Popen[str]":
    """A real process, optionally on a disk that is full after so many bytes a file."""

    def limit() -> None:
        if file_limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit_bytes, file_limit_bytes))

    return subprocess.Popen(
        [sys.executable, "-m", "sonar", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SONAR_AUDIO__OUTPUT": "null", **environment},
        preexec_fn=limit,
    )


def write_video(
    path: Path, frames: int = 20, size: tuple[int, int] = (96, 128), rate_hz: int = 10
) -> Path:
    """A real MP4 with something that moves; ``size`` is (height, width)."""
    rng = np.random.default_rng(3)
    ground = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate_hz)
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            image = np.roll(ground, 3 * index, axis=1)
            for packet in stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "walk.mp4")


def one_sentence(err: str) -> bool:
    lines = [line for line in err.splitlines() if line.startswith("sonar:")]
    return len(lines) == 1 and "Traceback" not in err


def playable(out: Path) -> tuple[int, int]:
    """Frames and samples that a player gets from the MP4; the WAV must open too."""
    with wave.open(str(out / "audio.wav"), "rb") as file:
        assert file.getnchannels() == 2
        length = file.getnframes()
    with av.open(str(out / "annotated.mp4")) as container:
        frames = sum(1 for _ in container.decode(video=0))
    return frames, length


def records(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "frames.jsonl").read_text().splitlines()]


def shipped(package: str, name: str) -> Path:
    """A file of an installed package."""
    try:
        files = importlib.metadata.files(package) or []
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{package} is not installed")
    found = [Path(str(file.locate())) for file in files if file.name == name]
    if not found:
        pytest.skip(f"{package} does not ship {name} any more")
    return found[0]
