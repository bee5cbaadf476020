"""``sonar control``: a Unix socket for this user only; one line in, one line out."""

import contextlib
import os
import socket
import stat
import warnings
from pathlib import Path

from sonar.controls.listen.commands import Do
from sonar.controls.listen.waiting import WaitingThread
from sonar.errors import ConfigError, DeviceError
from sonar.threads import Announce

LONGEST_LINE = 200  # bytes
ANSWER_S = 2.0
_LINE_S = 1.0  # a client that is slower loses its turn
_PREFIX, _SUFFIX = "control-", ".sock"


def runtime_folder() -> Path:
    """Where the sockets are, mode 0700. Raises DeviceError when it is not ours alone."""
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():  # that XDG_RUNTIME_DIR is not set is nothing to tell
        warnings.simplefilter("ignore")
        try:
            folder = user_runtime_path("sonar")
        except RuntimeError as error:  # no home folder
            raise DeviceError(
                "`sonar control` will not work: this user has no home folder; set XDG_RUNTIME_DIR"
            ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise DeviceError(
            f"`sonar control` will not work: {folder} cannot be made ({error.strerror})"
        ) from error
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if found.st_uid != os.getuid() or not private:
        raise DeviceError(f"`sonar control` will not work: {folder} is open to other users")
    return folder


class SocketServer(WaitingThread):
    """Listens at ``path``, by default ``control-PID.sock`` in :func:`runtime_folder`.

    Raises DeviceError when it cannot.
    """

    def __init__(self, do: Do, path: Path | None = None, announce: Announce | None = None) -> None:
        self._do = do
        self.path = path or runtime_folder() / f"{_PREFIX}{os.getpid()}{_SUFFIX}"
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.path.unlink(missing_ok=True)  # of a process with this number that was killed
            self._server.bind(str(self.path))
            self.path.chmod(0o600)
            self._server.listen(4)
            self._server.settimeout(_LINE_S)
        except OSError as error:
            self._server.close()
            raise DeviceError(
                f"`sonar control` will not work: {self.path}: {error.strerror or error}"
            ) from error
        super().__init__("sonar-control", announce)

    def close(self) -> None:
        """Stop listening and remove the socket; safe to call twice."""
        if self._closing.is_set():
            return
        super().close()
        self._server.close()
        self.path.unlink(missing_ok=True)

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._ready((self._server.fileno(),), 60.0):
                continue
            with contextlib.suppress(OSError):  # a client that went away or was too slow
                client, _ = self._server.accept()
                with client:
                    client.settimeout(_LINE_S)
                    self._serve(client)

    def _serve(self, client: socket.socket) -> None:
        line = b""
        while b"\n" not in line and len(line) <= LONGEST_LINE:
            more = client.recv(LONGEST_LINE + 1)
            if not more:
                break
            line += more
        if b"\n" in line:
            answer = self._do(line.partition(b"\n")[0].decode("utf-8", "replace"))
        else:
            answer = "refused; one line at a time, at most 200 bytes"
        client.sendall(answer.encode() + b"\n")


def running_instances() -> list[Path]:
    """Sockets of this user's running sonars, oldest first; those left by dead ones are removed."""
    try:
        found = list(runtime_folder().glob(f"{_PREFIX}*{_SUFFIX}"))
    except DeviceError:
        return []
    alive: list[tuple[float, Path]] = []
    for path in found:
        with contextlib.suppress(OSError):
            made_s = path.stat().st_mtime
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(ANSWER_S)
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)
                    continue
            alive.append((made_s, path))
    return [path for _, path in sorted(alive)]


def instance_of(path: Path) -> str:
    """The process number that a socket's name carries."""
    return path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX)


def choose_instance(instance: str | None) -> Path:
    """The one that runs, or the one that is named. Raises ConfigError when that is not clear."""
    paths = running_instances()
    named = {instance_of(path): path for path in paths}
    if instance is not None and instance in named:
        return named[instance]
    known = ", ".join(named)
    if instance is not None or not paths:
        raise ConfigError(
            f"no sonar with process number {instance} is running; there are: {known or 'none'}"
            if instance is not None
            else "no sonar that takes commands is running for this user"
        )
    if len(paths) > 1:
        raise ConfigError(f"several sonars are running; choose one with --instance: {known}")
    return paths[0]


def send(path: Path, line: str) -> str:
    """The answer to ``line``. Raises DeviceError when there is none within ``ANSWER_S``."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(ANSWER_S)
            client.connect(str(path))
            client.sendall(line.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                more = client.recv(4096)
                if not more:
                    break
                answer += more
    except OSError as error:
        raise DeviceError(f"sonar did not answer: {error}") from error
    if not answer.endswith(b"\n"):
        raise DeviceError("sonar ended before it answered")
    return answer.decode("utf-8", "replace").strip()
