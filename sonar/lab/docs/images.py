"""Makes the pictures of the documentation, docs/images: annotated, report, web and live.jpg.

    scripts/render_pictures     # needs the extra [web], playwright, and Debian's chromium

They show the built-in clip as the present version sees it; nothing in them is drawn by hand.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

from sonar.config.load import load_config
from sonar.demo import CLIP, MOUNT
from sonar.replay.session import replay

IMAGES = Path(__file__).resolve().parents[3] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
SHOWN_S = 9.2
PORT = 7899
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


def main() -> None:
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        work = Path(folder)
        config = load_config("replay", env={}).model_copy(update={"mount": MOUNT})
        replay(str(CLIP), work / "run", config, report=True)
        save("annotated.jpg", picture(work / "run" / "annotated.mp4"))
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        report(browser.new_page(viewport={"width": 1100, "height": 1750}), work / "run")
        cv2.imwrite(str(work / "photo.png"), picture(CLIP))
        web(browser, work / "photo.png")
        browser.close()
    print(f"wrote {', '.join(sorted(str(p) for p in IMAGES.iterdir()))}")


def picture(video: Path) -> Any:
    """The picture shown at SHOWN_S, BGR."""
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            if frame.time is not None and frame.time >= SHOWN_S:
                return cv2.cvtColor(frame.to_ndarray(format="rgb24"), cv2.COLOR_RGB2BGR)
    raise SystemExit(f"{video} is shorter than {SHOWN_S} s")


def report(page: Page, run: Path) -> None:
    page.goto((run / "report.html").as_uri())
    page.wait_for_function("document.querySelector('#media').readyState >= 2")
    page.evaluate(f"media.currentTime = {SHOWN_S}")
    page.wait_for_timeout(1500)
    save("report.jpg", screenshot(page))


def web(browser: Browser, photo: Path) -> None:
    """The page after a photo, and its live view of a sonar that walks through the clip."""
    with tempfile.TemporaryDirectory(prefix="sonar-") as sockets:  # short: a socket's path is
        alone = {**os.environ, "XDG_RUNTIME_DIR": sockets, "SONAR_AUDIO__OUTPUT": "null"}
        sonar = [sys.executable, "-m", "sonar"]
        server = subprocess.Popen(
            [*sonar, "web", "--port", str(PORT)], stdout=subprocess.PIPE, text=True, env=alone
        )
        try:
            assert server.stdout is not None
            server.stdout.readline()
            page = browser.new_page(viewport={"width": 800, "height": 1000})
            page.goto(f"http://127.0.0.1:{PORT}")
            with page.expect_file_chooser() as chooser:
                page.get_by_role("button", name="Choose a photo").first.click()
            chooser.value.set_files(str(photo))
            page.locator("#looked img").wait_for(timeout=60_000)
            page.wait_for_timeout(1500)
            save("web.jpg", screenshot(page))
            allow = ["--set", "controls.picture=true"]
            walk = subprocess.Popen([*sonar, "run", str(CLIP), *allow], env=alone)
            live(page)
            walk.wait(60)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(30)


def live(page: Page) -> None:
    page.set_viewport_size({"width": 800, "height": 1250})
    page.get_by_role("tab", name="Live").click()
    while page.locator("#now table").count() == 0:  # until that sonar takes commands
        if page.get_by_role("button", name="Start watching").count():
            page.get_by_role("button", name="Start watching").click()
        page.wait_for_timeout(300)
    page.locator("#now li").nth(2).wait_for(timeout=60_000)  # three phrases were said
    save("live.jpg", screenshot(page))


def screenshot(page: Page) -> Any:
    return cv2.imdecode(np.frombuffer(page.screenshot(), np.uint8), cv2.IMREAD_COLOR)


def save(name: str, image: Any) -> None:
    cv2.imwrite(str(IMAGES / name), image, [cv2.IMWRITE_JPEG_QUALITY, 82])
