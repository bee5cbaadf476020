"""Nothing leaves the machine: no usage data, no name look-up, no connection but on loopback."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.conftest import write_video

# Patched into every Python process of the run: a look-up of anything but this machine is noted.
RESOLVER = """
import os, socket
real = socket.getaddrinfo
def noted(host, *rest, **more):
    if host not in (None, "", "127.0.0.1", "localhost", "0.0.0.0", "::1"):
        with open(os.environ["NOTED"], "a") as file:
            file.write(f"{host}\\n")
    return real(host, *rest, **more)
socket.getaddrinfo = noted
"""
STRACE = [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-qq",
    "-e",
    "trace=connect,sendto,sendmsg,sendmmsg",
    "-o",
]
PHOTO = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
LOCAL = re.compile(r'AF_UNIX|AF_NETLINK|AF_UNSPEC|"127\.|"::1"|"::ffff:127\.')


class Watched:
    """A home of its own, in which commands run with their connections written down."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home, self.noted = folder, folder / "home", folder / "noted"
        self.traces: list[Path] = []
        (folder / "site").mkdir()
        (folder / "site/sitecustomize.py").write_text(RESOLVER)
        self.home.mkdir()

    def start(self, *words: str | Path) -> "subprocess.Popen[bytes]":
        tracer: list[str] = []
        if shutil.which("strace"):
            self.traces.append(self.folder / f"trace{len(self.traces)}")
            tracer = [*STRACE, str(self.traces[-1])]
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SONAR_", "XDG_", "ORT_"))}
        path = os.pathsep.join([str(self.folder / "site"), str(Path(__file__).parents[1])])
        return subprocess.Popen(
            [*tracer, sys.executable, *map(str, words)],
            cwd=self.folder,
            env={**kept, "HOME": str(self.home), "PYTHONPATH": path, "NOTED": str(self.noted)},
            start_new_session=True,
        )

    def run(self, *words: str | Path) -> None:
        assert self.start(*words).wait(90) == 0

    def check(self) -> None:
        assert not (self.home / ".cache/Microsoft").exists()
        assert not self.noted.exists(), self.noted.read_text()
        lines = [line for trace in self.traces for line in trace.read_text().splitlines()]
        outside = [line for line in lines if "sa_family" in line and not LOCAL.search(line)]
        assert not outside, outside


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_a_replay_and_a_photo(watched: Watched) -> None:
    write_video(watched.folder / "walk.mp4")
    cv2.imwrite(f"{watched.folder}/x.png", PHOTO)
    watched.run("-m", "sonar", "replay", "walk.mp4", "--out", "out")
    watched.run("-m", "sonar", "depth", "x.png", "--out", "depth")
    watched.check()


@pytest.mark.skipif(find_spec("openvino") is None, reason="needs the extra openvino")
def test_openvino(watched: Watched) -> None:
    cv2.imwrite(f"{watched.folder}/x.png", PHOTO)
    watched.run(
        *["-m", "sonar", "depth", "x.png", "--out", "depth", "--set", "engine.backend=openvino"]
    )
    watched.check()


def test_a_program_that_imports_the_engine_itself(watched: Watched) -> None:
    watched.run(
        "-c",
        "import sonar.depth.backends.onnx, onnxruntime, os;"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'",
    )
    watched.check()


@pytest.mark.skipif(find_spec("gradio") is None, reason="needs the extra web")
def test_the_page(watched: Watched) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free_port = probe.getsockname()[1]
    page = watched.start("-m", "sonar", "web", "--port", str(free_port))
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/", timeout=5) as answer:
                    assert b"sonar" in answer.read()
                break
            except OSError:
                assert page.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        os.killpg(page.pid, signal.SIGTERM)
        page.wait(20)
    watched.check()
