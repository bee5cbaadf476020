"""Downloads: whatever the network does, the file is whole and right, or not there."""

import socket
import tempfile
import threading
from pathlib import Path

import pytest
from download_kit import PAYLOAD, leftovers, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_server import Server, answer, sha, silent, whole

from sonar.clock import ManualClock, SystemClock
from sonar.depth.models.download import FetchLimits, Unreachable
from sonar.errors import ModelError


def test_whole_file_with_progress(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    seen: list[tuple[int, int | None]] = []
    download = make(server, tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert download.run() == sha(PAYLOAD)
    assert download.part.read_bytes() == PAYLOAD
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.binary(min_size=2, max_size=4000),
    shares=st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=4),
    anew=st.booleans(),
)
def test_cut_anywhere_then_resumed_gives_the_same_file(
    shared_server: Server, data: bytes, shares: list[float], anew: bool
):
    """Cut at any byte, any number of times, in one run or over several."""
    server = shared_server
    server.reset(data)
    cuts = [int(share * len(data)) for share in shares]
    server.script = [whole(drop_after=cut) for cut in cuts]
    with tempfile.TemporaryDirectory() as name:
        limits = FetchLimits(silence_s=5.0, attempts=9, connections=1 if anew else 9)
        changes = {"limits": limits}
        for _ in range(len(cuts) + 1):
            try:
                digest = make(server, Path(name), **changes).run()
                break
            except Unreachable:
                assert anew
        assert digest == sha(data)
        assert (Path(name) / "model.part").read_bytes() == data
        assert server.sent == len(data), "a byte was fetched twice, or not at all"


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(min_size=1, max_size=500), junk=st.binary(min_size=1, max_size=700))
def test_any_leftover_ends_in_the_right_file(shared_server: Server, data: bytes, junk: bytes):
    """Whatever lies in the part file (a crash, another version), the sum decides."""
    shared_server.reset(data)
    with tempfile.TemporaryDirectory() as name:
        download = make(shared_server, Path(name))
        download.part.write_bytes(junk)
        assert download.run() == sha(data)
        assert download.part.read_bytes() == data


def test_server_without_ranges_starts_over(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.script = [whole(ranges=False, drop_after=1000)]
    server.always = whole(ranges=False)
    download = make(server, tmp_path)
    download.run()
    assert server.ranges == [None, "bytes=1000-"]
    assert download.part.read_bytes() == PAYLOAD


def test_a_file_replaced_on_the_server_meanwhile_is_found_out_by_the_sum(
    server: Server, tmp_path: Path
):
    server.payload = b"old" * 1000
    server.script = [whole(drop_after=500)]
    with pytest.raises(Unreachable):
        make(server, tmp_path, limits=FetchLimits(connections=1)).run()
    server.payload = b"new" * 1000
    download = make(server, tmp_path)
    download.run()
    assert server.ranges == [None, "bytes=500-", None]
    assert download.part.read_bytes() == server.payload


def test_without_a_known_sum_nothing_is_built_upon_a_leftover(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    download = make(server, tmp_path, sha256=None)
    download.part.write_bytes(b"x" * 100)
    assert download.run() == sha(PAYLOAD)
    assert server.ranges == [None]


def test_416_for_a_part_that_is_too_long_starts_over(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.script = [answer(416, Content_Range="bytes */10")]
    download = make(server, tmp_path, size_bytes=None)
    download.part.write_bytes(PAYLOAD[:50])
    download.run()
    assert server.ranges == ["bytes=50-", None]
    assert download.part.read_bytes() == PAYLOAD


def test_another_range_than_asked_for_starts_over(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.script = [
        whole(drop_after=50),
        answer(206, PAYLOAD[10:], Content_Range=f"bytes 10-{len(PAYLOAD) - 1}/{len(PAYLOAD)}"),
    ]
    download = make(server, tmp_path)
    download.run()
    assert download.part.read_bytes() == PAYLOAD


def test_wrong_sum_leaves_nothing(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    with pytest.raises(ModelError, match=rf"SHA-256 is {sha(PAYLOAD)}, expected {'0' * 64}"):
        make(server, tmp_path, sha256="0" * 64).run()
    assert leftovers(tmp_path) == []
    assert len(server.requests) == 1


def test_web_page_instead_of_the_file(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.always = answer(200, b"\0" * 300_000, Content_Type="text/html; charset=utf-8")
    with pytest.raises(ModelError, match="sent a web page instead of the file"):
        make(server, tmp_path, sha256=None).run()
    assert leftovers(tmp_path) == []


def test_missing_file(server: Server, tmp_path: Path):
    server.always = answer(404)
    with pytest.raises(Unreachable, match="404 Not Found"):
        make(server, tmp_path).run()
    assert len(server.requests) == 1, "a missing file does not come by asking again"


def test_busy_server_is_asked_again_with_growing_pauses(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.script = [answer(503), answer(429)]
    clock = ManualClock()
    assert make(server, tmp_path, clock=clock).run() == sha(PAYLOAD)
    assert clock.now() == pytest.approx(0.5 * 2 + 0.5 * 4)


def test_a_line_cut_before_the_answer_is_tried_again(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.script = [lambda handler: handler.connection.shutdown(socket.SHUT_RDWR)] * 2
    assert make(server, tmp_path).run() == sha(PAYLOAD)
    assert len(server.requests) == 3


def test_broken_server_is_given_up(server: Server, tmp_path: Path):
    server.always = answer(500)
    with pytest.raises(Unreachable, match="answered 500"):
        make(server, tmp_path).run()
    assert len(server.requests) == FetchLimits().attempts


def test_a_line_that_always_breaks_is_given_up(server: Server, tmp_path: Path):
    server.payload = PAYLOAD
    server.always = whole(drop_after=10)
    limits = FetchLimits(silence_s=5.0, connections=7)
    with pytest.raises(Unreachable, match=r"ended after 70 of 300000 bytes.*goes on"):
        make(server, tmp_path, limits=limits).run()
    assert (tmp_path / "model.part").read_bytes() == PAYLOAD[:70]


def test_silence_has_a_limit(server: Server, tmp_path: Path):
    release = threading.Event()
    server.always = silent(release)
    clock = SystemClock()
    start = clock.now()
    limits = FetchLimits(silence_s=0.1, attempts=2, backoff_s=0.0)
    try:
        with pytest.raises(Unreachable, match="cannot be reached"):
            make(server, tmp_path, limits=limits).run()
    finally:
        release.set()
    assert clock.now() - start < 5.0
    assert len(server.requests) == 2
