"""Downloads that are refused or given up: addresses, redirects, sizes, full disks."""

from pathlib import Path

import pytest
from download_kit import PAYLOAD, leftovers, make
from model_server import Server, answer, sha, whole

from sonar.clock import ManualClock
from sonar.depth.models import download as room
from sonar.depth.models.download import Unreachable, check_url, label
from sonar.errors import ModelError, OutputError


def test_redirects(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.script = [answer(302, Location=server.url + "?signed"), whole(drop_after=99)]
    server.script += [answer(302, Location=server.url + "?signed-again")]
    download = make(server, tmp_path)
    download.run()
    assert download.part.read_bytes() == PAYLOAD
    assert server.ranges == [None, None, "bytes=99-", "bytes=99-"]


def test_redirect_circle_ends(server: Server, tmp_path: Path):
    server.always = answer(302, Location=server.url)
    with pytest.raises(Unreachable, match="redirects in a circle or too often"):
        make(server, tmp_path).run()
    assert len(server.requests) <= 10


def test_endless_redirects_end(server: Server, tmp_path: Path):
    hops = iter(range(1000))
    server.always = lambda handler: answer(302, Location=f"{server.url}?{next(hops)}")(handler)
    with pytest.raises(Unreachable, match="redirects in a circle or too often"):
        make(server, tmp_path).run()
    assert len(server.requests) <= 10


@pytest.mark.parametrize(
    "target", ["http://example.com/m", "ftp://example.com/m", "file:///etc/passwd"]
)
def test_redirect_away_from_https_is_refused(server: Server, tmp_path: Path, target: str):
    server.always = answer(302, Location=target)
    with pytest.raises((ModelError, Unreachable), match=r"over https only|redirects"):
        make(server, tmp_path).run()


def test_wrong_size_is_refused_before_a_byte_is_kept(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    with pytest.raises(ModelError, match="offers a file of 300000 bytes, expected 299999"):
        make(server, tmp_path, size_bytes=299_999).run()
    assert leftovers(tmp_path) == []


def test_more_than_expected_is_refused(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.always = whole(announce=False)
    with pytest.raises(ModelError, match="sent more than"):
        make(server, tmp_path, size_bytes=1000, sha256=None).run()
    assert leftovers(tmp_path) == []


def test_monstrous_file_is_refused(server: Server, tmp_path: Path, monkeypatch):
    server.payload = PAYLOAD
    server.always = whole(announce=False)
    monkeypatch.setattr(room, "MOST_BYTES", 1000)
    with pytest.raises(ModelError, match="sent more than"):
        make(server, tmp_path, size_bytes=None).run()
    assert leftovers(tmp_path) == []


def test_unannounced_length_is_taken_when_the_sum_is_right(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.always = whole(announce=False)
    assert make(server, tmp_path, size_bytes=None).run() == sha(PAYLOAD)


def test_no_space_is_known_beforehand(server: Server, tmp_path: Path, monkeypatch):
    server.payload = PAYLOAD
    usage = type("Usage", (), {"free": 1 << 20})
    monkeypatch.setattr("sonar.files.shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OutputError, match=r"0\.3 MiB needed, 1\.0 MiB free"):
        make(server, tmp_path).run()
    assert not (tmp_path / "model.part").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_disk_that_fills_up_meanwhile(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    (tmp_path / "model.part").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="no space left on the disk"):
        make(server, tmp_path).run()


def test_proxy_is_used(server: Server, tmp_path: Path, monkeypatch):
    server.payload = PAYLOAD
    monkeypatch.setenv("http_proxy", server.url.rsplit("/", 1)[0])
    download = make(server, tmp_path, url="http://localhost:9/far/model.onnx")
    assert download.run() == sha(PAYLOAD)
    assert server.requests[0][0] == "http://localhost:9/far/model.onnx"


def test_no_network_is_said_at_once(server: Server, tmp_path: Path):
    clock = ManualClock()
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1 cannot be reached \(Connection refused\)"):
        make(server, tmp_path, url="http://127.0.0.1:9/m", clock=clock).run()
    assert clock.now() == 0.0


@pytest.mark.parametrize(
    "url",
    ["http://example.com/m", "ftp://a/b", "file:///etc/passwd", "https:///m", "/etc/passwd", ""],
)
def test_addresses_that_are_refused(url: str):
    with pytest.raises(ModelError, match="over https only"):
        check_url(url)


def test_addresses_that_are_taken():
    for url in ("https://example.com/m", "http://localhost:80/m", "http://[::1]/m"):
        check_url(url)


def test_labels_hide_secrets():
    assert label("https://me:secret@example.com:444/a/b.onnx?token=x#y") == (
        "https://example.com:444/a/b.onnx"
    )
