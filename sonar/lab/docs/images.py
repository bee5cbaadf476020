"""Make two images of the documentation, docs/images: annotated.jpg and report.jpg.

    scripts/render_images     # needs playwright, and Debian's chromium

They show the built-in clip as the present version sees it. web.jpg and live.jpg are screenshots
taken by hand.
"""

import argparse
import tempfile
from pathlib import Path

import av
from playwright.sync_api import sync_playwright

from sonar.config.load import load_config
from sonar.demo import CLIP, MOUNT
from sonar.replay.session import replay

IMAGES = Path(__file__).resolve().parents[3] / "docs" / "images"
SHOWN_S = 9.2
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def main() -> None:
    """What scripts/render_images does."""
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        work = Path(folder)
        config = load_config("replay", env={}).model_copy(update={"mount": MOUNT})
        replay(str(CLIP), work / "run", config, report=True)
        with av.open(str(work / "run" / "annotated.mp4")) as video:
            shown = (f for f in video.decode(video=0) if (f.time or 0.0) >= SHOWN_S)
            next(shown).to_image().save(IMAGES / "annotated.jpg", quality=82)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 1750})
        page.goto((work / "run" / "report.html").as_uri())
        page.wait_for_function("document.querySelector('#media').readyState >= 2")
        page.evaluate(f"media.currentTime = {SHOWN_S}")
        page.wait_for_timeout(1500)
        page.screenshot(path=IMAGES / "report.jpg", type="jpeg", quality=82)
        browser.close()
