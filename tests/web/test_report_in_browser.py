"""The report of a replay in a real browser: by keyboard, by mouse, on a phone, with axe."""

import json
from pathlib import Path
from typing import Any

import pytest

from sonar.config.load import load_config
from sonar.replay import replay
from tests.cli.conftest import write_video
from tests.web.conftest import check_accessible, check_narrow, wait_until


@pytest.mark.realtime
@pytest.mark.timeout(300)
def test_the_report_in_a_real_browser(browser: Any, tmp_path: Path) -> None:
    clip = write_video(tmp_path / "walk <1>.mp4", frames=30)
    replay(str(clip), tmp_path / "out", load_config("replay", [], {}), report=True)
    page = browser.new_page()
    page.set_default_timeout(100_000)
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "out" / "report.html").as_uri())
    wait_until(page, "document.querySelector('#media')?.readyState >= 1", 100.0)
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
    check_narrow(page)
    page.close()
