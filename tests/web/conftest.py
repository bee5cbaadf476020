"""A real server, a real browser, and axe to look at what it shows."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
# A page that takes 3 s of video and 1 MB at most.
SMALL_PAGE = """
import sonar.web.page, sonar.web.video
sonar.web.page.MAX_UPLOAD_MB, sonar.web.video.MAX_VIDEO_S = 1, 3.0
from sonar.cli import main
main()
"""
QUIET = {"SONAR_AUDIO__OUTPUT": "null", "SONAR_SERVICE__HEALTH_PORT": "0"}


class Spawn:
    """Starts processes of sonar with a place of their own for control sockets, ``folder``."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="sonar-web-test-")  # short: a socket's path is
        self._running: list[subprocess.Popen[str]] = []

    def __call__(
        self, *words: str, program: tuple[str, ...] = ("-m", "sonar"), **more: str
    ) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, *program, *words],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "XDG_RUNTIME_DIR": self.folder, **QUIET, **more},
        )
        self._running.append(process)
        return process

    def end(self) -> None:
        for process in self._running:
            process.send_signal(signal.SIGINT)
        for process in self._running:
            process.communicate(timeout=30)
        shutil.rmtree(self.folder)


@pytest.fixture(scope="package")
def spawn() -> Iterator[Spawn]:
    made = Spawn()
    yield made
    made.end()


@pytest.fixture(scope="package")
def address(spawn: Spawn) -> str:
    """Of a page with small limits."""
    pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = spawn("web", "--port", str(port), program=("-c", SMALL_PAGE))
    assert process.stdout is not None
    assert f"http://127.0.0.1:{port}" in process.stdout.readline()
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright, of the extra dev")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Debian's chromium")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield found
        found.close()


def violations(page: Any) -> list[dict[str, Any]]:
    """What axe finds wrong with the page as it is shown now."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None and spec.submodule_search_locations, "needs the extra dev"
    script = Path(spec.submodule_search_locations[0]) / "axe.min.js"
    page.evaluate(script.read_text("utf-8"))
    return list(page.evaluate("axe.run()")["violations"])


def check_accessible(page: Any) -> None:
    found = [(one["id"], one["nodes"][0]["html"]) for one in violations(page)]
    assert not found, json.dumps(found, indent=1)


def check_narrow(page: Any, width: int = 360) -> None:
    """Nothing sticks out of a phone's screen."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": 740})
    # The page is laid out anew some time after the change of size.
    wait_until(page, f"document.documentElement.scrollWidth <= {width}")
    page.set_viewport_size(before)


def wait_until(page: Any, condition: str, limit_s: float = 20.0) -> None:
    """Until ``condition`` (JavaScript) holds.

    Not Playwright's ``wait_for_function``: where the condition does not hold at once, that goes on
    by ``eval`` in the page, which our pages forbid (Content-Security-Policy).
    """
    for _ in range(int(20 * limit_s)):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"{condition} did not come true in {limit_s:g} s")
