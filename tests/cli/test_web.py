"""``sonar web`` where it cannot serve."""

import socket
from pathlib import Path
from typing import Any

import pytest

from sonar.cli import run as web
from tests.cli.conftest import Run


def test_without_the_extra_it_names_it(sonar: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "find_spec", lambda name: None)
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


def test_letting_the_network_in_needs_a_password(
    sonar: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = pytest.importorskip("sonar.web.page", reason="needs the extra: [web]")
    asked: list[tuple[str, int, str | None]] = []

    def serve(load: Any, password: str | None, started: Any) -> None:
        config = load([]).web
        asked.append((config.host, config.port, password))

    monkeypatch.setattr(page, "serve", serve)
    for _ in range(2):
        code, _, err = sonar("web", "--host", "0.0.0.0")
        host, _, password = asked[-1]
        assert code == 0 and host == "0.0.0.0" and password is not None
        assert password in err and "sonar" in err and len(password) >= 16
    assert asked.pop() != asked.pop()
    code, _, err = sonar("web")
    assert code == 0 and not err and asked.pop() == ("127.0.0.1", 7860, None)
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    for host in ("127.0.0.1", "0.0.0.0"):
        code, _, err = sonar("web", "--host", host, "--set", f"web.password_file={file}")
        assert code == 0 and asked.pop() == (host, 7860, "correct horse battery")
        assert "web.password_file" in err and "horse" not in err
    file.write_text("short")
    code, _, err = sonar("web", "--host", "0.0.0.0", "--set", f"web.password_file={file}")
    assert code == 2 and str(file) in err and err.count("\n") == 1 and not asked
