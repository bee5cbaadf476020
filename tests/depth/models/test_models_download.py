"""Downloads: whatever the network does, the file is whole and right, or not there."""

import random
import socket
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_server import Server, answer, sha, silent, whole

from sonar.clock import ManualClock
from sonar.depth.models import download as module
from sonar.errors import ModelError, OutputError

PAYLOAD = random.Random(3).randbytes(300_000)
NO_FIXTURE_RESET = [HealthCheck.function_scoped_fixture]


def fetch(server: Server, folder: Path, **changes: object) -> str:
    fields: dict = {
        "url": server.url,
        "part": folder / "part",
        "sha256": sha(server.payload),
        "size_bytes": len(server.payload),
        "clock": ManualClock(),
    }
    return module.download(**{**fields, **changes})


@pytest.fixture
def loaded(server: Server) -> Server:
    server.payload = PAYLOAD
    return server


def test_whole_file_with_progress(loaded: Server, tmp_path: Path):
    seen: list[tuple[int, int | None]] = []
    progress = {"progress": lambda done, total: seen.append((done, total))}
    assert fetch(loaded, tmp_path, **progress) == sha(PAYLOAD)
    assert (tmp_path / "part").read_bytes() == PAYLOAD
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))


@settings(max_examples=40, deadline=None, suppress_health_check=NO_FIXTURE_RESET)
@given(
    data=st.binary(min_size=2, max_size=4000),
    shares=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=3),
)
def test_cut_anywhere_then_resumed_gives_the_same_file(
    shared_server: Server, data: bytes, shares: list[float]
):
    shared_server.reset(data)
    shared_server.script = [whole(drop_after=int(share * len(data))) for share in shares]
    with tempfile.TemporaryDirectory() as name:
        assert fetch(shared_server, Path(name)) == sha(data)
        assert (Path(name) / "part").read_bytes() == data
    assert shared_server.sent == len(data), "a byte was fetched twice, or not at all"


@settings(max_examples=30, deadline=None, suppress_health_check=NO_FIXTURE_RESET)
@given(data=st.binary(min_size=1, max_size=500), junk=st.binary(min_size=1, max_size=700))
def test_any_leftover_ends_in_the_right_file(shared_server: Server, data: bytes, junk: bytes):
    """Whatever lies in the part file (a crash, another version), the sum decides."""
    shared_server.reset(data)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "part").write_bytes(junk)
        assert fetch(shared_server, Path(name)) == sha(data)
        assert (Path(name) / "part").read_bytes() == data


@pytest.mark.parametrize(
    "script,ranges",
    [
        ([whole(drop_after=99), whole(ranges=False)], [None, "bytes=99-"]),
        ([whole(drop_after=99), answer(416)], [None, "bytes=99-", None]),
        (  # another part of the file than was asked for
            [whole(drop_after=99), answer(206, PAYLOAD[10:], Content_Range="bytes 10-1/2")],
            [None, "bytes=99-", None],
        ),
        ([answer(503), answer(429)], [None] * 3),
        ([lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)] * 2, [None] * 3),
    ],
    ids=["no ranges", "416", "wrong range", "busy", "cut before the answer"],
)
def test_a_server_that_fails_at_first(loaded: Server, tmp_path: Path, script, ranges):
    loaded.script = list(script)
    assert fetch(loaded, tmp_path) == sha(PAYLOAD)
    assert loaded.ranges == ranges


def test_without_a_known_sum_nothing_is_built_upon_a_leftover(loaded: Server, tmp_path: Path):
    (tmp_path / "part").write_bytes(b"x" * 100)
    assert fetch(loaded, tmp_path, sha256=None) == sha(PAYLOAD)
    assert loaded.ranges == [None]


def test_unannounced_length_is_taken_when_the_sum_is_right(loaded: Server, tmp_path: Path):
    loaded.always = whole(announce=False)
    assert fetch(loaded, tmp_path, size_bytes=None) == sha(PAYLOAD)


def test_redirects_are_followed_and_the_rest_is_asked_for_again(loaded: Server, tmp_path: Path):
    loaded.script = [answer(302, Location=loaded.url + "?signed"), whole(drop_after=99)]
    loaded.script += [answer(302, Location=loaded.url + "?signed-again")]
    assert fetch(loaded, tmp_path) == sha(PAYLOAD)
    assert loaded.ranges == [None, None, "bytes=99-", "bytes=99-"]


@pytest.mark.parametrize(
    "act,changes,reason",
    [
        (whole(), {"sha256": "0" * 64}, f"SHA-256 is {sha(PAYLOAD)}, expected {'0' * 64}"),
        (whole(), {"size_bytes": 299_999}, "offers a file of 300000 bytes, expected 299999"),
        (whole(announce=False), {"size_bytes": 1000}, "sent more than"),
        (answer(200, b"\0" * 9, Content_Type="text/html"), {"size_bytes": 9}, "sent a web page"),
        (answer(404), {}, "404 Not Found"),
    ],
)
def test_a_wrong_answer_is_final_and_leaves_nothing(
    loaded: Server, tmp_path: Path, act, changes: dict, reason: str
):
    loaded.always = act
    with pytest.raises(ModelError, match=reason):
        fetch(loaded, tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []
    assert len(loaded.requests) == 1


def test_a_file_without_end_is_refused(loaded: Server, tmp_path: Path, monkeypatch):
    loaded.always = whole(announce=False)
    monkeypatch.setattr(module, "MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="sent more than"):
        fetch(loaded, tmp_path, size_bytes=None)


def test_redirects_end(server: Server, tmp_path: Path):
    hops = iter(range(1000))
    server.always = lambda handler: answer(302, Location=f"{server.url}?{next(hops)}")(handler)
    with pytest.raises(ModelError, match="redirect error"):
        fetch(server, tmp_path)
    assert len(server.requests) <= 10


def test_a_server_that_always_fails_is_given_up(loaded: Server, tmp_path: Path):
    loaded.always = answer(500)
    clock = ManualClock()
    with pytest.raises(ModelError, match=r"answered 500.*the next try goes on from there"):
        fetch(loaded, tmp_path, clock=clock)
    assert len(loaded.requests) == module.ATTEMPTS
    assert clock.now() == 2 + 4 + 8


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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_disk_that_fills_up_meanwhile(loaded: Server, tmp_path: Path):
    (tmp_path / "part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="no space left on the disk"):
        fetch(loaded, tmp_path)


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
    with pytest.raises(ModelError, match=r"over https only|not allowed"):
        fetch(server, tmp_path)


def test_messages_hide_secrets(tmp_path: Path):
    with pytest.raises(ModelError) as caught:
        fetch(Server(), tmp_path, url="ftp://me:secret@example.com:444/a/b.onnx?token=x#y")
    assert str(caught.value).startswith("ftp://example.com:444/a/b.onnx: ")
