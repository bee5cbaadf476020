"""Who comes in: by which name, with which password, from which site; and which files come out."""

import asyncio
import base64
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio", reason="needs the extra: pip install 'sonar-assist[web]'")

from starlette.middleware import Middleware  # noqa: E402

from sonar.web.gate import Gate  # noqa: E402
from sonar.web.page import upload_button  # noqa: E402


def alone(work: Coroutine[Any, Any, Any]) -> Any:
    """Run ``work`` in a thread: in this one a browser's event loop may run already."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result(60)


PASSWORD = "correct horse battery"


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


RIGHT = basic("sonar", PASSWORD)


def come_in(password: str | None, kind: str = "http", path: str = "/", **headers: str) -> int:
    """The status of a request: 200 where the gate lets it in."""
    sent: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {}

    coded = [(key.encode(), value.encode()) for key, value in headers.items()]
    scope = {"type": kind, "path": path, "headers": coded}
    alone(Gate(inside, password)(scope, receive, send))
    return int(sent[0].get("status", 0))


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7860", 200),
        ("localhost:7860", 200),
        ("[::1]:7860", 200),
        ("evil.example:7860", 403),
        ("127.0.0.1.evil.example", 403),
        ("192.168.1.5:7860", 403),
        ("[", 403),
        ("", 403),
    ],
)
def test_without_a_password_only_this_machine_is_served(host: str, status: int) -> None:
    assert come_in(None, host=host) == status


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (RIGHT, 200),
        (RIGHT.replace("Basic", "basic"), 200),
        (basic("sonar", PASSWORD + "x"), 401),
        (basic("admin", PASSWORD), 401),
        (basic("sonar", ""), 401),
        ("Basic %%%", 401),
        ("Basic " + base64.b64encode(b"\xff\xfe").decode(), 401),
        (f"Bearer {PASSWORD}", 401),
        ("", 401),
    ],
)
def test_with_a_password_it_must_be_right(given: str, status: int) -> None:
    assert come_in(PASSWORD, host="192.168.1.5:7860", authorization=given) == status


def test_another_sites_page_may_press_nothing() -> None:
    here = "127.0.0.1:7860"
    assert come_in(None, host=here, origin=f"http://{here}") == 200
    for origin in ("http://evil.example", "null", "http://127.0.0.1:9999"):
        assert come_in(None, host=here, origin=origin) == 403
    # Nor with the password, which a browser sends along by itself.
    there = "192.168.1.5:7860"
    assert come_in(PASSWORD, host=there, authorization=RIGHT, origin="http://evil.example") == 403
    assert come_in(PASSWORD, host=there, authorization=RIGHT, origin=f"http://{there}") == 200


def test_no_other_protocol_comes_in() -> None:
    assert come_in(None, kind="websocket", host="127.0.0.1:7860") == 0


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A real page of Gradio behind the gate, with a password."""
    with gr.Blocks(analytics_enabled=False) as page:
        gr.Markdown("hello")
    _, url, _ = page.launch(
        server_name="127.0.0.1",
        app_kwargs={"middleware": [Middleware(Gate, password=PASSWORD)]},
        share=False,
        quiet=True,
        ssr_mode=False,
        prevent_thread_lock=True,
    )
    yield url
    page.close(verbose=False)


def fetch(url: str, data: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_gate_comes_before_every_route_of_gradio(guarded: str) -> None:
    for path in ("", "config", "gradio_api/info", "gradio_api/upload", "theme.css", "assets/x"):
        status, body = fetch(guarded + path)
        assert status == 401 and b"hello" not in body, path
    assert fetch(guarded, Authorization=RIGHT)[0] == 200
    status, _ = fetch(guarded + "gradio_api/queue/join", b"{}", Authorization=RIGHT, Origin="null")
    assert status == 403


class Elsewhere(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:
        type(self).asked += 1
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.mark.realtime
@pytest.mark.timeout(120)
def test_no_path_and_no_address_is_taken_from_a_request(address: str, tmp_path: Path) -> None:
    """The page is asked, as its own script would, to look at files that nobody uploaded."""
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    for path in (secret, Path("/etc/passwd")):
        assert fetch(f"{address}/gradio_api/file={path}")[0] in (403, 404)
    config = json.loads(fetch(f"{address}/config")[1])
    uploads = [
        one["id"] for one in config["dependencies"] if any(t[1] == "upload" for t in one["targets"])
    ]
    assert len(uploads) == 2
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for path in (str(secret), "/etc/passwd", f"http://127.0.0.1:{server.server_address[1]}/a"):
            for number in uploads:
                body = {
                    "fn_index": number,
                    "session_hash": "abc",
                    "data": [
                        {"path": path, "meta": {"_type": "gradio.FileData"}},
                        None, None, None, False, False,
                    ],
                }  # fmt: skip
                status, _ = fetch(
                    f"{address}/gradio_api/queue/join",
                    json.dumps(body).encode(),
                    **{"Content-Type": "application/json"},
                )
                assert status == 200  # it is queued, and refused below
                _, answer = fetch(f"{address}/gradio_api/queue/data?session_hash=abc")
                last = [
                    json.loads(line[6:]) for line in answer.splitlines() if line[:5] == b"data:"
                ]
                done = [one for one in last if one["msg"] == "process_completed"]
                assert len(done) == 1 and done[0]["success"] is False
                assert b"secret" not in answer.replace(str(secret).encode(), b"")
    finally:
        server.shutdown()
    assert Elsewhere.asked == 0


@pytest.mark.realtime
def test_too_large_an_upload_is_refused_by_the_server_too(address: str) -> None:
    head = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    for size, status in ((10_000, 200), (1_500_000, 413)):
        body = head.encode() + bytes(size) + b"\r\n--x--\r\n"
        assert fetch(f"{address}/gradio_api/upload", body, **kind)[0] == status


@pytest.mark.parametrize("path", ["https://example.invalid/a.png", "/etc/passwd", "../x", "a\0b"])
def test_the_upload_button_takes_only_what_was_uploaded(path: str) -> None:
    with gr.Blocks():
        button = upload_button("Choose")
    with pytest.raises(gr.Error, match="Only what was uploaded"):
        alone(button.async_move_resource_to_block_cache(path))
    with pytest.raises(gr.Error, match="Only what was uploaded"):
        button.preprocess(gr.FileData(path=path))


def test_what_was_uploaded_is_taken() -> None:
    with gr.Blocks():
        button = upload_button("Choose")
    folder = Path(button.GRADIO_CACHE) / "of-a-test"
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "a.png"
    file.write_bytes(b"x")
    try:
        assert alone(button.async_move_resource_to_block_cache(str(file))) == str(file)
        assert Path(button.preprocess(gr.FileData(path=str(file)))).read_bytes() == b"x"
    finally:
        file.unlink()
        folder.rmdir()
