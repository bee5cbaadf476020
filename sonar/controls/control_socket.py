"""``sonar control``: a Unix socket for this user only; one line in, one line out."""

import contextlib
import os
import socket
import stat
import warnings
from pathlib import Path
from time import monotonic

from sonar.controls.listen import Do
from sonar.errors import ConfigError, DeviceError

LONGEST_LINE = 200  # bytes
ANSWER_S = 2.0
_LINE_S = 0.5  # a client that is slower loses its turn
_NO_CONTROL = "`sonar control` will not work"


def runtime_folder() -> Path:
    """Where the sockets are, mode 0700. Raises DeviceError when it is not ours alone."""
    from platformdirs import user_runtime_path

    try:
        with warnings.catch_warnings():  # about XDG_RUNTIME_DIR, where it is not set
            warnings.simplefilter("ignore")
            folder = user_runtime_path("sonar")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except RuntimeError as error:
        raise DeviceError(f"{_NO_CONTROL}: no home folder; set XDG_RUNTIME_DIR") from error
    except OSError as error:
        raise DeviceError(f"{_NO_CONTROL}: {folder} cannot be made ({error.strerror})") from error
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.getuid() or not private:
        raise DeviceError(f"{_NO_CONTROL}: {folder} is open to other users")
    return folder


class ControlSocket:
    """Listens at ``path``, ``control-PID.sock`` in :func:`runtime_folder`; DeviceError if not."""

    def __init__(self, do: Do, path: Path | None = None) -> None:
        self._do = do
        self.path = path or runtime_folder() / f"control-{os.getpid()}.sock"
        self._server = socket.socket(socket.AF_UNIX)
        try:
            self.path.unlink(missing_ok=True)  # of a process with this number that was killed
            self._server.bind(str(self.path))
            self.path.chmod(0o600)
            self._server.listen(4)
            self._server.settimeout(_LINE_S)
        except OSError as error:
            self._server.close()
            raise DeviceError(f"{_NO_CONTROL}: {self.path}: {error.strerror or error}") from error

    def files(self) -> list[int]:
        return [self._server.fileno()]

    def read(self, file: int) -> None:
        with contextlib.suppress(OSError):  # a client that went away or was too slow
            client, _ = self._server.accept()
            with client:
                line = _receive_line(client, LONGEST_LINE + 1, _LINE_S)
                answer = f"refused; one line at a time, at most {LONGEST_LINE} bytes"
                if line.endswith(b"\n"):
                    answer = self._do(line.partition(b"\n")[0].decode("utf-8", "replace"))
                client.sendall(answer.encode() + b"\n")

    def close(self) -> None:
        if self._server.fileno() >= 0:
            self._server.close()
            self.path.unlink(missing_ok=True)


def running_instances() -> dict[str, Path]:
    """Sockets of this user's running sonars by process number, oldest first."""
    alive: list[tuple[float, str, Path]] = []
    with contextlib.suppress(DeviceError):
        for path in runtime_folder().glob("control-*.sock"):
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(ANSWER_S)
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:  # left by one that was killed
                    path.unlink(missing_ok=True)
                else:
                    alive.append((path.stat().st_mtime, path.stem.partition("-")[2], path))
    return {name: path for _, name, path in sorted(alive)}


def choose_instance(instance: str | None) -> Path:
    """The one that runs, or the one that is named. Raises ConfigError when that is not clear."""
    named = running_instances()
    known = ", ".join(named) or "none"
    if instance is not None and instance not in named:
        raise ConfigError(f"no sonar with process number {instance} is running; there are: {known}")
    if not named:
        raise ConfigError("no sonar that takes commands is running for this user")
    if instance is None and len(named) > 1:
        raise ConfigError(f"several sonars are running; choose one with --instance: {known}")
    return named[instance or next(iter(named))]


def send(path: Path, line: str) -> str:
    """The answer to ``line``. Raises DeviceError when there is none within ``ANSWER_S``."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(ANSWER_S)
            client.connect(str(path))
            client.sendall(line.encode() + b"\n")
            answer = _receive_line(client, 1 << 20, ANSWER_S)
    except OSError as error:
        raise DeviceError(f"sonar did not answer: {error}") from error
    if not answer.endswith(b"\n"):
        raise DeviceError("sonar ended before it answered")
    return answer.decode("utf-8", "replace").strip()


def _receive_line(connection: socket.socket, most_bytes: int, limit_s: float) -> bytes:
    """What comes until a line ends, the other side closes, or there are ``most_bytes``.

    Raises OSError when that takes longer than ``limit_s``.
    """
    line, deadline_s = b"", monotonic() + limit_s
    while b"\n" not in line and len(line) < most_bytes:
        connection.settimeout(max(0.0, deadline_s - monotonic()))
        more = connection.recv(min(4096, most_bytes))
        if not more:
            break
        line += more
    return line
