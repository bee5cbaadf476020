"""One function per reader that takes a stranger's bytes.

Each writes ``data`` where its reader looks and reads it. It returns, or raises a SonarError; any
other exception is a fault. A target gets a private folder, emptied before each call.
"""

import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sonar.errors import SonarError

Target = Callable[[bytes, Path], None]

_MAX_FRAMES = 12


def images(data: bytes, folder: Path) -> None:
    """A photo, by every name under which a photo may come."""
    from sonar.capture import read_image

    path = folder / f"photo{_suffix(data, ('.png', '.jpg', '.webp', '.avif', '.tiff', '.heic'))}"
    path.write_bytes(data)
    image = read_image(path)
    assert image.ndim == 3 and image.shape[2] == 3 and image.size > 0


def videos(data: bytes, folder: Path) -> None:
    """A recording: opened, and its first frames read."""
    from sonar import app
    from sonar.config import SonarConfig

    path = folder / f"walk{_suffix(data, ('.mp4', '.mkv', '.avi', '.ts', '.h264', '.webm'))}"
    path.write_bytes(data)
    source = app.open_source(str(path), SonarConfig())
    try:
        source.open()
        last_t = float("-inf")
        for _ in range(_MAX_FRAMES):
            frame = source.read(1.0)
            if frame is None:
                break
            assert frame.t > last_t
            last_t = frame.t
    finally:
        source.close()


def configuration(data: bytes, folder: Path) -> None:
    """A configuration file, a phrase catalogue and a scenario: everything in YAML."""
    from sonar.audio.speech.catalogue import load_utterances
    from sonar.config import SonarConfig
    from sonar.config.load import load_config
    from sonar.lab.simulate.scenario import load

    path = folder / "given.yaml"
    path.write_bytes(data)
    speech = SonarConfig().speech.model_copy(update={"language": str(path)})
    reads: list[Callable[[], object]] = [
        lambda: load_config(str(path), (), {}),
        lambda: load_config(None, (data[:80].decode("utf-8", "replace"),), {}),
        lambda: load(path),
    ]
    if b"phrases" in data:  # slow: it reads the packaged catalogue first
        reads.append(lambda: load_utterances(speech))
    for read in reads:
        _refuses(read)


def labels(data: bytes, folder: Path) -> None:
    """Labels of a recording, expectations about one, the description of measured frames."""
    from sonar.lab.evaluate.data import find_datasets
    from sonar.lab.evaluate.labels import read_truth
    from sonar.replay.regression import read_checks

    path = folder / "events_truth.yaml"
    path.write_bytes(data)
    (folder / "meta.json").write_bytes(data)
    (folder / "a_rgb.jpg").write_bytes(b"")
    (folder / "a_depth.png").write_bytes(b"")
    for read in (
        lambda: read_truth(path),
        lambda: read_checks(["walk"], None, path),
        lambda: find_datasets([folder]),
    ):
        _refuses(read)


def records(data: bytes, folder: Path) -> None:
    """What a run left behind, read by the regression."""
    from sonar.replay.regression import read_events

    (folder / "events.jsonl").write_bytes(data)
    _refuses(lambda: read_events(folder))


def models(data: bytes, folder: Path) -> None:
    """A model file: ONNX, and a torch checkpoint."""
    from sonar.depth.midas import load_network
    from sonar.depth.models.registry import BUILTIN
    from sonar.depth.models.store import check_onnx

    (folder / "given.onnx").write_bytes(data)
    (folder / "given.pt").write_bytes(data)
    _refuses(lambda: check_onnx(folder / "given.onnx", BUILTIN.contract))
    _refuses(lambda: load_network(folder / "given.pt"))


_talks: dict[str, Any] = {}  # the servers, started once for a process


def controls(data: bytes, folder: Path) -> None:
    """The control socket and the health port: afterwards both still answer."""
    from sonar.controls.control_socket import send

    path, port = _servers()
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5.0)
        client.connect(str(path))
        _exchange(client, data)
    assert send(path, "nonsense").startswith(("refused", "ok"))
    for request in (data, b"GET " + data + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=5.0) as client:
            _exchange(client, request)
    with socket.create_connection(("127.0.0.1", port), timeout=5.0) as client:
        good = b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
        assert b" 200 " in _exchange(client, good).partition(b"\r\n")[0]
    assert not _talks["faults"], _talks["faults"]


TARGETS: dict[str, Target] = {
    "images": images,
    "videos": videos,
    "configuration": configuration,
    "labels": labels,
    "records": records,
    "models": models,
    "controls": controls,
}


def call(name: str, data: bytes, folder: Path) -> None:
    """Run one target on ``data`` in the empty folder ``folder``; raises what is a fault."""
    for old in folder.iterdir():
        old.unlink()
    _refuses(lambda: TARGETS[name](data, folder))


def _refuses(read: Callable[[], object]) -> None:
    """Call ``read``; a SonarError is a proper answer, if it is a sentence."""
    try:
        read()
    except SonarError as error:
        assert str(error).strip()


def _suffix(data: bytes, names: tuple[str, ...]) -> str:
    return names[(data[-1] if data else 0) % len(names)]


def _exchange(client: socket.socket, data: bytes) -> bytes:
    answer = b""
    try:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        while more := client.recv(4096):
            answer += more
    except ConnectionError:
        pass  # it may hang up on nonsense
    return answer


def _servers() -> tuple[Path, int]:
    """The two servers as a guide has them; faults in their threads are collected."""
    from sonar.audio.cues import PulseMapper
    from sonar.audio.synthesis import Mixer
    from sonar.config import SonarConfig
    from sonar.controls.control_socket import ControlSocket
    from sonar.controls.controls import Controls
    from sonar.controls.listen import attending
    from sonar.service.health import HealthServer, Snapshot
    from sonar.testing.audio import ToneSpeaker

    if not _talks:
        faults: list[str] = []
        threading.excepthook = lambda given: faults.append(repr(given.exc_value))
        config = SonarConfig()
        mixer = Mixer(config.audio, config.speech, ToneSpeaker(config.audio.rate_hz))
        commands = Controls(mixer, PulseMapper(config.audio, config.speech), -6.0)
        path = Path(tempfile.mkdtemp(prefix="sonar-fuzz-")) / "control-1.sock"
        _talks["socket"] = attending([ControlSocket(commands, path)])
        _talks["socket"].__enter__()
        _talks["health"] = HealthServer(0, lambda: Snapshot("guiding"))
        _talks["faults"], _talks["path"] = faults, path
    return _talks["path"], _talks["health"].port
