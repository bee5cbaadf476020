"""Our end of the synthesiser's process: starts it, asks it, and ends it when it hangs."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sonar.audio.speech.catalogue import Voice
from sonar.audio.speech.pcm import Samples, read_wav
from sonar.errors import SpeechError
from sonar.ports import Clock
from sonar.threads import GuardedThread

WORKER: tuple[str, ...] = (sys.executable, "-m", "sonar.audio.speech.worker")
_MAX_LINE = 65_536
_MAX_WAV_BYTES = 20_000_000
_MAX_CHATTER = 1000  # lines
_EXIT_S = 2.0


class NoSynthesiserError(SpeechError):
    """The worker said that it cannot work; trying again would not help."""


class PhraseError(SpeechError):
    """These words cannot be spoken; others may be, by the same process."""


class SpeechClient:
    """One worker process, one voice.

    Args:
        voice: what it speaks with.
        timeout_s: longest wait for each answer.
        clock: measures that wait.
        command: the worker; see :mod:`sonar.audio.speech.worker` for what it must answer.

    Raises:
        SpeechError: from every method: the process cannot be started, ended, or gave no answer in
            time, or nonsense. Only :meth:`close` may follow.
        NoSynthesiserError: from :meth:`start`.
        PhraseError: from :meth:`render`, which may be called again.
    """

    def __init__(
        self, voice: Voice, timeout_s: float, clock: Clock, command: Sequence[str] = WORKER
    ) -> None:
        self._command = [
            *command,
            f"--voice={voice.name}",
            f"--rate-wpm={voice.rate_wpm}",
            f"--pitch={voice.pitch}",
            f"--parent={os.getpid()}",
        ]
        self._timeout_s, self._clock = timeout_s, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: GuardedThread | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._answers: queue.Queue[bytes] = queue.Queue()
        self._ending = threading.Lock()
        self._ended = False

    def start(self) -> str:
        """Start the process and wait until it is ready; name and version of what speaks."""
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="sonar-speech-")
            with self._ending:
                if self._ended:
                    raise SpeechError("speech was stopped")
                self._process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is ours to handle
                )
                # Whoever closes from now on finds both, and the reader running.
                self._reader = GuardedThread("speech-reader", self._read, restarts=0)
                self._reader.start()
        except OSError as error:
            raise SpeechError(f"the synthesiser cannot be started ({error.strerror})") from error
        answer = self._answer()
        if isinstance(answer.get("fatal"), str):
            raise NoSynthesiserError(answer["fatal"])
        engine = answer.get("engine")
        if answer.get("ready") is not True or not isinstance(engine, str):
            raise SpeechError("the synthesiser answered nonsense")
        return engine

    def render(self, text: str) -> tuple[Samples, int]:
        """``text`` spoken: float32 samples of shape ``(n,)`` in [-1, 1], and their rate in Hz."""
        if self._process is None or self._process.stdin is None or self._folder is None:
            raise SpeechError("the synthesiser is not running")
        path = Path(self._folder.name) / "phrase.wav"
        try:
            path.unlink(missing_ok=True)
            request = json.dumps({"text": text, "path": str(path)})
            self._process.stdin.write(request.encode() + b"\n")
            self._process.stdin.flush()
            answer = self._answer()
            if isinstance(answer.get("error"), str):
                raise PhraseError(answer["error"])
            if answer.get("ok") is not True:
                raise SpeechError("the synthesiser answered nonsense")
            if path.stat().st_size > _MAX_WAV_BYTES:
                raise SpeechError("the synthesiser gave far too much sound")
            return read_wav(path.read_bytes())
        except (OSError, ValueError) as error:  # ValueError: the pipe was closed under us
            raise SpeechError(f"the synthesiser is gone ({error})") from error

    def close(self) -> None:
        """End the process at once; safe to call twice, and from another thread."""
        with self._ending:
            self._ended = True
            process = self._process
        if process is not None:
            process.kill()
            # Stuck in the kernel, it is killed all the same; nobody waits for it longer.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_S)
            if self._reader is not None:
                self._reader.join(_EXIT_S)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):  # what was not sent yet is lost anyway
                        pipe.close()
        if self._folder is not None:
            self._folder.cleanup()

    def _answer(self) -> dict[str, Any]:
        until = self._clock.now() + self._timeout_s
        for _ in range(_MAX_CHATTER):
            try:
                line = self._answers.get(timeout=max(0.0, until - self._clock.now()))
            except queue.Empty as error:
                raise SpeechError(
                    f"the synthesiser gave no answer for {self._timeout_s:g} s"
                ) from error
            if not line:
                raise SpeechError("the synthesiser ended unexpectedly")
            if line.lstrip().startswith(b"{"):  # anything else was printed by a library
                break
        else:
            raise SpeechError("the synthesiser answered nonsense")
        try:
            answer = json.loads(line)
        except ValueError as error:
            raise SpeechError("the synthesiser answered nonsense") from error
        return answer if isinstance(answer, dict) else {}

    def _read(self) -> None:
        process = self._process
        assert process is not None and process.stdout is not None
        while line := process.stdout.readline(_MAX_LINE):
            if self._answers.qsize() < 100:  # a flood is cut, and then waited out
                self._answers.put(line)
        self._answers.put(b"")
