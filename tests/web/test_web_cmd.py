"""``sonar web`` where it cannot serve."""

import socket

import pytest

from sonar.cli import web_cmd
from tests.cli.conftest import Run, sonar

__all__ = ["sonar"]  # the fixture


def test_without_the_extra_it_names_it(sonar: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_cmd, "find_spec", lambda name: None)
    code, _, err = sonar("web")
    assert code == 2 and "sonar-assist[web]" in err and err.count("\n") == 1


def test_an_address_that_is_taken(sonar: Run) -> None:
    pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = sonar("web", "--port", str(port))
    assert code == 4 and str(port) in err and "Traceback" not in err


def test_letting_the_network_in_is_said(sonar: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    page = pytest.importorskip("sonar.web.page", reason="needs the extra: [web]")
    asked = []
    monkeypatch.setattr(page, "serve", lambda load, started: asked.append(load([]).web))
    code, _, err = sonar("web", "--host", "0.0.0.0")
    assert code == 0 and "Everybody" in err and asked[0].host == "0.0.0.0"
    code, _, err = sonar("web")
    assert code == 0 and not err and (asked[1].host, asked[1].port) == ("127.0.0.1", 7860)
