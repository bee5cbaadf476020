"""The page's live view of sonars that run: real processes, a real browser."""

import json
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")

from sonar.controls.control_socket import ANSWER_S, ControlSocket, send
from sonar.controls.listen import attending
from sonar.errors import DeviceError
from sonar.web.live import image_of, look, send_command, shown, toggle
from tests.cli.conftest import write_video
from tests.controls.test_view import Seen
from tests.web.conftest import Spawn, check_accessible, check_narrow

COMMANDS = ("Mute", "Louder", "Softer", "Describe", "Repeat")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A place for control sockets with no sonar in it."""
    monkeypatch.setattr("sonar.controls.control_socket.runtime_folder", lambda: tmp_path)
    return tmp_path


def serve(folder: Path, do: Callable[[str], str], number: int = 1) -> AbstractContextManager[None]:
    return attending([ControlSocket(do, folder / f"control-{number}.sock")])


def test_no_sonar_is_said(alone: Path) -> None:
    assert toggle(False, None)[0] is False and "No sonar runs" in toggle(False, None)[4]
    assert "Problem:" in shown(True, None) and "no sonar" in shown(True, None).lower()
    assert "Not done: no sonar" in send_command(None, "mute")


@pytest.mark.parametrize("allowed", [False, True])
def test_a_report_is_shown(alone: Path, allowed: bool) -> None:
    seen = Seen(f"controls.picture={str(allowed).lower()}")
    seen.guide()
    with serve(alone, lambda line: "ok " + seen.view.answer(seen.controls)):
        report, html = look(None)
    assert "Close on the left, clear ahead, near on the right." in html
    assert "Pulse on the left, 4.0 a second: close, left." in html
    assert "“&lt;Stop&gt;”" in html and "<Stop>" not in html
    if not allowed:
        assert image_of(report) is None and "The image is off" in html
        return
    image = image_of(report)
    assert image is not None and image.shape == (360, 480, 3)
    assert 'alt="What the camera sees: close on the left' in html
    # Red on the left, as the camera sees it, and the frame of a close zone around it.
    assert abs(image[200, 20:100].mean(0) - (250, 20, 20)).max() < 12
    assert abs(image[200, 2].astype(int) - (255, 140, 30)).max() < 40


def test_commands_are_answered_in_a_sentence(alone: Path) -> None:
    with serve(alone, lambda line: "ok did " + line):
        assert "Done: did volume up." in send_command(None, "volume up")
    with serve(alone, lambda line: "refused; no"):
        assert "Not done: no." in send_command(None, "volume up")


@pytest.mark.parametrize("answer", ["refused; sonar knows: mute", "ok {}", "ok nonsense", ""])
def test_another_version_is_named(alone: Path, answer: str) -> None:
    with serve(alone, lambda line: answer):
        with pytest.raises(DeviceError, match="another version"):
            look(None)
        assert "The running sonar is another version" in shown(True, None)


def test_of_several_one_is_chosen(alone: Path) -> None:
    with serve(alone, lambda line: "ok one", 1), serve(alone, lambda line: "ok two", 2):
        assert "Done: two." in send_command("2", "x") and "Done: one." in send_command("1", "x")
        assert "choose one" in send_command(None, "x")


@pytest.mark.realtime
@pytest.mark.timeout(300)
def test_a_late_report_does_not_replace_not_watching(
    browser: Any, address: str, spawn: Spawn, tmp_path: Path
) -> None:
    """The sonar answers late; what it would have answered must not come after the stop."""
    clip = str(write_video(tmp_path / "walk.mp4", frames=1500, size=(96, 128)))
    slow = spawn("run", "--headless", clip)
    wait_for_view(Path(spawn.folder), slow.pid)
    page = browser.new_page()
    page.set_default_timeout(100_000)
    page.goto(address)
    page.get_by_role("tab", name="Live").click(timeout=60_000)
    page.get_by_role("button", name="Start watching").click()
    page.locator("#now", has_text="Zones").wait_for()
    slow.send_signal(signal.SIGSTOP)  # a report now takes its whole limit of time
    try:
        page.wait_for_timeout(1000)  # one is on its way
        page.get_by_role("button", name="Stop watching").click()
        page.get_by_role("button", name="Start watching").wait_for()
        page.wait_for_timeout(1000 * (ANSWER_S + 1))
        assert page.locator("#now").inner_text().strip() == "Not watching."
    finally:
        slow.send_signal(signal.SIGCONT)
        slow.terminate()
        slow.wait(20)
        page.close()


@pytest.mark.realtime
@pytest.mark.timeout(300)
def test_in_a_browser(browser: Any, address: str, spawn: Spawn, tmp_path: Path) -> None:
    clip = str(write_video(tmp_path / "walk.mp4", frames=1500, size=(96, 128)))
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(100_000)
    page.goto(address)
    page.get_by_role("tab", name="Live").click(timeout=60_000)
    page.locator("#now .said", has_text="Start one in a terminal").wait_for()
    assert not any(page.get_by_role("button", name=name).is_enabled() for name in COMMANDS)
    page.get_by_role("button", name="Start watching").click()
    page.locator("#now .said", has_text="No sonar runs").wait_for()
    check_accessible(page)

    service = spawn("run", "--headless", clip, SONAR_CONTROLS__PICTURE="true")
    wait_for_view(folder := Path(spawn.folder), service.pid)
    page.get_by_role("button", name="Start watching").click()
    page.get_by_role("button", name="Stop watching").wait_for()
    image = page.locator("#now img")
    image.wait_for()
    assert image.evaluate("image => image.naturalWidth") == 128
    before = image.get_attribute("src")
    page.wait_for_function(
        "old => document.querySelector('#now img')?.src !== old", arg=before
    )  # it moves
    check_accessible(page)
    check_narrow(page)

    # The controls reach the sonar, and what it says of itself comes back.
    page.get_by_role("button", name="Mute").click()
    page.locator("#done", has_text="Done: muted.").wait_for()
    page.locator("#now", has_text="Sound off").wait_for()
    page.get_by_role("button", name="Softer").click()
    page.locator("#done", has_text="Done: volume").wait_for()
    page.get_by_label("chatty").check()
    page.locator("#done", has_text="Done: verbosity chatty.").wait_for()
    page.get_by_label("quiet").check()
    page.locator("#done", has_text="Done: scheme quiet.").wait_for()
    page.get_by_role("button", name="Describe").click()
    page.locator("#done", has_text="ahead").or_(
        page.locator("#done", has_text="nothing is known")
    ).wait_for()
    page.get_by_role("button", name="Repeat").click()
    page.locator("#done", has_text="Done:").wait_for()
    itself = view(folder, service.pid)
    assert itself["muted"] and itself["verbosity"] == "chatty" and itself["scheme"] == "quiet"

    # Of two, one is chosen; this one's image is off, and the page says so.
    other = spawn("run", "--headless", clip)
    wait_for_view(folder, other.pid)
    page.get_by_role("button", name="Stop watching").click()
    page.locator("#now", has_text="Not watching").wait_for()
    page.get_by_role("button", name="Start watching").click()
    page.get_by_label(str(other.pid)).check()
    page.locator("#now", has_text="The image is off").wait_for()
    assert page.locator("#now img").count() == 0
    check_accessible(page)
    other.terminate()
    other.wait(20)
    page.locator("#now .said", has_text="Problem").wait_for()
    page.close()
    # Who opens the page while a sonar runs may press its buttons at once.
    late = browser.new_page()
    late.goto(address)
    late.get_by_role("tab", name="Live").click(timeout=60_000)
    late.locator("#now", has_text="Not watching").wait_for()
    for name in COMMANDS:
        late.get_by_role("button", name=name).and_(late.locator(":enabled")).wait_for()
    late.close()


def view(folder: Path, pid: int) -> dict[str, Any]:
    answer = send(folder / "sonar" / f"control-{pid}.sock", "view")
    return dict(json.loads(answer.removeprefix("ok ")))


def wait_for_view(folder: Path, pid: int, limit_s: float = 60.0) -> None:
    """Until that sonar has a frame to report."""
    end_s = time.monotonic() + limit_s
    while True:
        try:
            if view(folder, pid)["age_s"] is not None:
                return
        except (DeviceError, ValueError):
            assert time.monotonic() < end_s
        time.sleep(0.2)
