"""The page: what its buttons answer, and the page in a real browser with a real server."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

gr = pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")

from sonar.config.load import load_config  # noqa: E402
from sonar.web.page import Studio, as_settings  # noqa: E402
from tests.cli.conftest import write_video  # noqa: E402

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
NONE = (None, None, None, False, False)


def load(more: list[str]) -> Any:
    return load_config(
        "replay", ["web.max_video_s=3", "web.max_upload_mb=1", "service.health_port=9", *more], {}
    )


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    made = Studio(load, tmp_path_factory.mktemp("work"))
    yield made
    made.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path / "a & b.png"
    cv2.imwrite(str(path), cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (320, 240)))
    return path


def test_a_photo_comes_back_as_picture_sound_and_sentence(studio: Studio, photo: Path) -> None:
    html = studio.photo(str(photo), *NONE)
    assert "In full: " in html and 'alt="Heat map' in html
    picture = re.search(r'src="data:image/jpeg;base64,([^"]+)"', html)
    sound = re.search(r'src="data:audio/wav;base64,([^"]+)"', html)
    assert picture and sound
    seen = cv2.imdecode(np.frombuffer(base64.b64decode(picture[1]), np.uint8), 1)
    assert seen is not None and seen.shape == (240 + 34, 320, 3)
    legend = seen[-17].astype(int).sum(axis=1)
    assert legend[100] < legend[160] < legend[240]  # bright = near, on the right
    samples = np.frombuffer(base64.b64decode(sound[1])[44:], "<i2").reshape(-1, 2)
    assert len(samples) / 48_000 == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_bad_file_is_one_sentence_without_our_paths(
    studio: Studio, tmp_path: Path, content: bytes
) -> None:
    bad = tmp_path / "<b>.png"
    bad.write_bytes(content)
    for answer in (studio.photo(str(bad), *NONE), studio.video(str(bad), *NONE)):
        assert "Problem:" in answer and "&lt;b&gt;.png" in answer
        assert str(tmp_path) not in answer and answer.count("<p") == 1


def test_settings_reach_the_run_and_wrong_ones_are_told(studio: Studio, photo: Path) -> None:
    assert as_settings(1.3, -5, None, True, False) == [
        "mount.height_m=1.3", "mount.pitch_deg=-5", "audio.swap_sides=true",
    ]  # fmt: skip
    assert "mount.height_m" in studio.photo(str(photo), -1.0, None, None, False, False)


def test_limits_of_size_length_and_time(studio: Studio, tmp_path: Path) -> None:
    big = tmp_path / "big.png"
    big.write_bytes(bytes(1_000_001))
    assert "larger than 1 MB" in studio.photo(str(big), *NONE)
    long = write_video(tmp_path / "long.mp4", frames=40)
    assert "4 seconds long; at most 3" in studio.video(str(long), *NONE)
    hasty = Studio(lambda more: load([*more, "web.time_limit_s=1", "web.max_video_s=60"]), tmp_path)
    try:
        endless = write_video(tmp_path / "endless.mp4", frames=500)
        answer = hasty.video(str(endless), *NONE)
        assert "the limit of 1 seconds was reached" in answer and "<video" in answer
    finally:
        hasty.close()


def test_a_video_comes_back_with_its_report(studio: Studio, tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    source = write_video(tmp_path / "walk.mp4", frames=8)
    html = studio.video(str(source), *NONE, advance=lambda *call: calls.append(call))
    assert "8 pictures, 0.8 seconds" in html and calls[-1][0] == 8
    report = re.search(r'file=([^"]+/report\.html)"', html)
    assert report and "data:video/mp4" in Path(report[1]).read_text()


def test_results_do_not_pile_up(tmp_path: Path, photo: Path) -> None:
    studio = Studio(load, tmp_path)
    try:
        photo = photo.rename(tmp_path.parent / f"{tmp_path.name}.png")
        for _ in range(8):
            studio.photo(str(photo), *NONE)
        assert len(list(tmp_path.iterdir())) == 6
    finally:
        studio.close()


def test_no_service_is_said(studio: Studio) -> None:
    assert "No service answers" in studio.service()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "sonar", "web", "--port", str(port)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "SONAR_WEB__MAX_VIDEO_S": "3"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs {CHROMIUM}")
    with api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield found
        found.close()


def check_accessible(page: Any) -> None:
    """axe, where AXE_JS names its script (npm pack axe-core, package/axe.min.js)."""
    script = os.environ.get("AXE_JS")
    if script is None:
        return
    page.evaluate(Path(script).read_text())
    violations = page.evaluate("axe.run()")["violations"]
    assert not violations, json.dumps([(v["id"], v["nodes"][0]["html"]) for v in violations])


def choose(page: Any, button: str, file: Path, box: str, until: str) -> str:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).first.click()
    chooser.value.set_files(str(file))
    page.locator(f"{box} .said", has_text=until).wait_for(timeout=60_000)
    return str(page.locator(f"{box} .said").inner_text())


@pytest.mark.timeout(300)
def test_in_a_real_browser(browser: Any, address: str, photo: Path, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 800})  # a phone
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.get_by_role("button", name="Choose a photo").first.wait_for(timeout=60_000)
    page.wait_for_timeout(1000)
    check_accessible(page)
    choose(page, "Choose a photo", photo, "#looked", "In full")
    assert page.evaluate("document.querySelector('#looked img').naturalWidth") == 320
    page.wait_for_function("document.querySelector('#looked audio').duration > 2.9")
    check_accessible(page)
    bad = tmp_path / "bad.png"
    bad.write_text("nothing")
    assert "bad.png is damaged" in choose(page, "Choose a photo", bad, "#looked", "Problem")
    page.get_by_role("tab", name="Video").click()
    clip = write_video(tmp_path / "walk.mp4", frames=10)
    choose(page, "Choose a video", clip, "#watched", "10 pictures")
    page.wait_for_function("document.querySelector('#watched video').duration > 0.9")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    assert "What sonar saw" in Path(download.value.path()).read_text()
    long = write_video(tmp_path / "long.mp4", frames=40)
    choose(page, "Choose a video", long, "#watched", "at most 3")
    check_accessible(page)
    for name in ("Service", "Settings"):
        page.get_by_role("tab", name=name).click()
        page.wait_for_timeout(500)
        check_accessible(page)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 391
    assert not errors
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


@pytest.mark.timeout(120)
def test_the_report_in_a_real_browser(browser: Any, tmp_path: Path) -> None:
    from sonar.replay.session import replay

    clip = write_video(tmp_path / "walk <1>.mp4", frames=30)
    replay(str(clip), tmp_path / "out", load([]), report=True)
    page = browser.new_page()
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "out" / "report.html").as_uri())
    page.wait_for_function("document.querySelector('#media').readyState >= 1")
    assert page.locator("h1").inner_text() == "What sonar saw and said: walk <1>.mp4"
    # By keyboard: the slider moves the player and the words.
    page.locator("#position").focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert page.evaluate("media.currentTime") == pytest.approx(1.0, abs=0.05)
    assert "seconds." in page.locator("#position").get_attribute("aria-valuetext")
    # By mouse: a click on the timeline, and the cursor stands where it was.
    box = page.locator("#timeline .plot").first.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    duration = json.loads(page.locator("#data").text_content())["duration"]
    assert page.evaluate("media.currentTime") == pytest.approx(duration / 2, abs=0.05)
    cursor = page.locator("#cursor").bounding_box()
    assert cursor["x"] == pytest.approx(box["x"] + box["width"] / 2, abs=2)
    # By the table of events.
    page.locator("tr[data-t] button").last.click()
    last = float(page.locator("tr[data-t]").last.get_attribute("data-t"))
    assert page.evaluate("media.currentTime") == pytest.approx(min(last, duration), abs=0.1)
    page.locator("#play").click()
    page.locator("#play").click()
    assert not errors and all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    check_accessible(page)
    page.set_viewport_size({"width": 360, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 361
