"""The parent's end of the synthesizer process: starts it, asks it, ends it when it hangs."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection

import numpy as np

from sonar.audio.speech.catalogue import Voice
from sonar.audio.speech.clips import Samples
from sonar.audio.speech.worker import FAILED, FATAL, OK, RATE
from sonar.errors import SpeechError

WORKER: tuple[str, ...] = (sys.executable, "-m", "sonar.audio.speech.worker")
_LARGEST_BYTES = 8_000_000  # of one answer; a minute of speech is a third of that
_EXIT_S = 2.0


class NoSynthesizerError(SpeechError):
    """The worker cannot work; trying again would not help."""


class PhraseError(SpeechError):
    """These words cannot be spoken; others may be, by the same process."""


class SpeechWorker:
    """One worker process, one voice; see :mod:`sonar.audio.speech.worker` for the protocol.

    Args:
        voice: what it speaks with.
        timeout_s: longest wait for each answer.
        command: the worker's command line.

    Raises:
        SpeechError: from every method: the process cannot be started, ended, or gave no answer in
            time, or nonsense. Only :meth:`close` may follow.
        NoSynthesizerError: from :meth:`start`.
        PhraseError: from :meth:`render`, which may be called again.
    """

    def __init__(self, voice: Voice, timeout_s: float, command: Sequence[str] = WORKER) -> None:
        options = [f"--voice={voice.name}", f"--rate-wpm={voice.rate_wpm}"]
        self._command = [*command, *options, f"--pitch={voice.pitch}", f"--parent={os.getpid()}"]
        self._timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None
        ours, self._theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        with self._lock, self._theirs:
            if self._closed:
                raise SpeechError("speech was stopped")
            try:
                self._process = subprocess.Popen(
                    [*self._command, f"--socket={self._theirs.fileno()}"],
                    pass_fds=(self._theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is the parent's to handle
                )
            except OSError as error:
                problem = f"the synthesizer cannot be started ({error.strerror})"
                raise SpeechError(problem) from error
        self._answer()

    def render(self, text: str) -> tuple[Samples, int]:
        """``text`` spoken: float32 samples of shape ``(n,)`` in [-1, 1], and their rate in Hz."""
        try:
            self._connection.send_bytes(text.encode("utf-8", "replace"))
        except OSError as error:
            raise SpeechError("the synthesizer ended unexpectedly") from error
        answer = self._answer()
        (rate_hz,) = RATE.unpack_from(answer)
        pcm = np.frombuffer(answer, "<i2", offset=RATE.size)
        return pcm.astype(np.float32) / 32768.0, rate_hz

    def close(self) -> None:
        """End the process at once; safe to call twice, and from another thread."""
        with self._lock:
            self._closed, process = True, self._process
        self._theirs.close()
        if process is not None:
            process.kill()  # whoever waits for an answer hears of it by the end of the connection
            # Stuck in the kernel, it is killed all the same; nobody waits for it longer.
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_EXIT_S)

    def _answer(self) -> bytes:
        """What follows the first byte of an answer that is OK."""
        try:
            if not self._connection.poll(self._timeout_s):
                raise SpeechError(f"the synthesizer gave no answer for {self._timeout_s:g} s")
            answer = self._connection.recv_bytes(_LARGEST_BYTES)
        except (EOFError, OSError) as error:
            raise SpeechError("the synthesizer ended unexpectedly") from error
        kind, rest = answer[:1], answer[1:]
        if kind in (FAILED, FATAL):
            error_class = PhraseError if kind == FAILED else NoSynthesizerError
            raise error_class(rest.decode("utf-8", "replace"))
        if kind != OK or len(rest) < RATE.size or len(rest) % 2:
            raise SpeechError("the synthesizer answered nonsense")
        if not 4000 <= RATE.unpack_from(rest)[0] <= 192_000:
            raise SpeechError("the synthesizer answered nonsense")
        return rest
