"""Downloads: whatever the network does, the file is whole and right, or not there."""

import random
import socket
import threading
from pathlib import Path

import pytest
from model_server import Server, answer, sha, silent, whole

from sonar.depth.models import download as module
from sonar.errors import ModelError, OutputError

PAYLOAD = random.Random(3).randbytes(300_000)


def fetch(server: Server, folder: Path, **changes: object) -> bytes:
    fields: dict = {
        "url": server.url,
        "target": folder / "part",
        "sha256": sha(server.payload),
        "size_bytes": len(server.payload),
        "progress": None,
    }
    module.download(**{**fields, **changes})
    assert [path.name for path in folder.iterdir()] == ["part"]
    return (folder / "part").read_bytes()


@pytest.fixture
def loaded(server: Server) -> Server:
    server.payload = PAYLOAD
    return server


def test_whole_file_with_progress(loaded: Server, tmp_path: Path):
    seen: list[tuple[int, int | None]] = []
    progress = {"progress": lambda done, total: seen.append((done, total))}
    assert fetch(loaded, tmp_path, **progress) == PAYLOAD
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert len(seen) > 4 and seen[-1] == (len(PAYLOAD), len(PAYLOAD))


@pytest.mark.parametrize("known", [True, False])
def test_what_lies_in_its_place_is_replaced(loaded: Server, tmp_path: Path, known: bool):
    (tmp_path / "part").write_bytes(b"x" * 100)
    assert fetch(loaded, tmp_path, sha256=sha(PAYLOAD) if known else None) == PAYLOAD
    assert len(loaded.requests) == 1


@pytest.mark.parametrize(
    "first",
    [
        whole(drop_after=99),
        answer(503),
        answer(429),
        answer(200, b"damaged"),
        lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
    ],
    ids=["cut", "busy", "too many", "damaged", "cut before the answer"],
)
def test_a_server_that_fails_at_first(loaded: Server, tmp_path: Path, first, pauses):
    loaded.script = [first, first]
    assert fetch(loaded, tmp_path) == PAYLOAD
    assert len(loaded.requests) == 3 and len(pauses) == 2


def test_redirects_are_followed(loaded: Server, tmp_path: Path):
    loaded.script = [answer(302, Location=loaded.url + "?signed")]
    assert fetch(loaded, tmp_path) == PAYLOAD
    assert loaded.requests == ["/model.onnx", "/model.onnx?signed"]


@pytest.mark.parametrize(
    "act,changes,reason,asked",
    [
        (whole(), {"sha256": "0" * 64}, f"its SHA-256 is not {'0' * 64}", module.ATTEMPTS),
        (whole(), {"size_bytes": 299_999}, "offers 300000 bytes, expected at most 299999", 1),
        (whole(announce=False), {}, "offers unnumbered bytes", 1),
        (answer(200, b"0" * 9, Content_Type="text/html"), {}, "sent a web page", 1),
        (answer(404), {}, "404 Not Found", 1),
        (answer(500), {}, "answered 500", module.ATTEMPTS),
        (whole(drop_after=9), {}, "cannot be reached", module.ATTEMPTS),
    ],
)
def test_a_wrong_answer_leaves_nothing(
    loaded: Server, tmp_path: Path, act, changes: dict, reason: str, asked: int
):
    loaded.always = act
    with pytest.raises(ModelError, match=reason):
        fetch(loaded, tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []
    assert len(loaded.requests) == asked


def test_redirects_end(server: Server, tmp_path: Path):
    hops = iter(range(1000))
    server.always = lambda handler: answer(302, Location=f"{server.url}?{next(hops)}")(handler)
    with pytest.raises(ModelError, match="302 Found"):
        fetch(server, tmp_path)


def test_silence_has_a_limit(server: Server, tmp_path: Path, monkeypatch):
    release = threading.Event()
    server.always = silent(release)
    monkeypatch.setattr(module, "SILENCE_S", 0.1)
    try:
        with pytest.raises(ModelError, match="cannot be reached"):
            fetch(server, tmp_path)
    finally:
        release.set()
    assert len(server.requests) == module.ATTEMPTS


def test_a_disk_that_fills_up_meanwhile(loaded: Server, tmp_path: Path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pooch.core.shutil.move", full)
    with pytest.raises(OutputError, match="no space left on the disk"):
        fetch(loaded, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    ["http://example.com/m", "ftp://a/b", "file:///etc/passwd", "https:///m", "/etc/passwd", ""],
)
def test_addresses_without_https_are_refused(server: Server, tmp_path: Path, url: str):
    with pytest.raises(ModelError, match="over https only"):
        fetch(server, tmp_path, url=url)


@pytest.mark.parametrize("url", ["http://example.com/m", "ftp://a/b", "file:///etc/passwd"])
def test_redirects_away_from_https_are_refused(server: Server, tmp_path: Path, url: str):
    server.always = answer(302, Location=url)
    with pytest.raises(ModelError, match="over https only"):
        fetch(server, tmp_path)
    assert len(server.requests) == 1


def test_messages_hide_secrets(tmp_path: Path):
    with pytest.raises(ModelError) as caught:
        fetch(Server(), tmp_path, url="ftp://me:secret@example.com:444/a/b.onnx?token=x#y")
    assert str(caught.value).startswith("ftp://example.com:444/a/b.onnx: ")
