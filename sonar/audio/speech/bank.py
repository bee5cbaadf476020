"""Every phrase, rendered ahead of time: asking for one never waits.

Clips come from the cache at once; what is missing is rendered by a process of its own, asked by a
background thread. Whatever that process does, the tones go on: a phrase is there or not there,
and :attr:`SpeechBank.status` says which.
"""

import contextlib
import hashlib
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from sonar.audio.cues import PHRASES
from sonar.audio.speech.catalogue import Utterance, load_utterances
from sonar.audio.speech.clips import Samples, clip_for_mixer
from sonar.config import SpeechConfig
from sonar.errors import SpeechError
from sonar.files import cache_home
from sonar.ports import Clock
from sonar.threads import GuardedThread

WORKER: tuple[str, ...] = (sys.executable, "-m", "sonar.audio.speech.worker")
TIMEOUT_S = 10.0  # for each phrase, and the first one has the start of the synthesizer in it
MAX_STARTS = 4  # of the synthesizer
MAX_FILES = 1000  # in the cache, about 100 MB; the oldest go first
_RECIPE = "4"  # raise it when clips.py makes other clips of the same recording
_CLOSE_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpeechStatus:
    """How far speech is."""

    ready: int  # phrases that can be said now
    total: int  # phrases there should be; 0 where speech is off
    done: bool  # nothing more will come
    lost: str | None = None  # why phrases will not be there, one sentence


class PhraseError(SpeechError):
    """These words cannot be spoken; others may be, by the same process."""


class SpeechWorker:
    """One synthesizer process; see :mod:`sonar.audio.speech.worker`. Raises SpeechError when it
    cannot be started, ends, or gives no answer for ``timeout_s``; then only :meth:`close` may
    follow."""

    def __init__(self, timeout_s: float = TIMEOUT_S, command: Sequence[str] = WORKER) -> None:
        self._timeout_s = timeout_s
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours.detach())
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*command, str(theirs.fileno()), str(os.getpid())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is the parent's to handle
                )
        except OSError as error:
            problem = f"the synthesizer cannot be started ({error.strerror})"
            raise SpeechError(problem) from error

    def render(self, utterance: Utterance, rate_hz: int) -> Samples:
        """The clip for a mixer at ``rate_hz``. Also raises PhraseError, after which it may be
        called again."""
        answer = self._ask(utterance)
        if isinstance(answer, str):
            raise PhraseError(answer)
        source_hz, data = answer
        samples = np.frombuffer(data, "<i2").astype(np.float32) / 32768.0
        clip = clip_for_mixer(samples, source_hz, rate_hz)
        if clip.size == 0:
            raise PhraseError(f"the synthesizer gave silence for {utterance.text!r}")
        return clip

    def kill(self) -> None:
        """End the process at once; from any thread. Who waits for its answer gets SpeechError."""
        self._process.kill()

    def close(self) -> None:
        """End the process and give back what it used."""
        self._connection.close()
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):  # stuck in the kernel
            self._process.wait(_CLOSE_S)

    def _ask(self, utterance: Utterance) -> Any:
        """Its answer; a process that hangs, or stops in the middle of its answer, is ended."""
        began_s = monotonic()
        watchdog = threading.Timer(self._timeout_s, self.kill)
        watchdog.daemon = True
        watchdog.start()
        try:
            self._connection.send(astuple(utterance))
            return self._connection.recv()
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            hung = monotonic() - began_s >= self._timeout_s
            how = f"gave no answer for {self._timeout_s:g} s" if hung else "ended unexpectedly"
            raise SpeechError(f"the synthesizer {how}") from error
        finally:
            watchdog.cancel()


class SpeechBank:
    """A :class:`~sonar.ports.Speaker`; starts working when made.

    ``config.enabled`` false makes an empty, silent bank. ``rate_hz`` is the mixer's. Clips are kept
    in ``cache_dir``, by default ``$SONAR_HOME/speech`` or the user's cache folder; one that cannot
    be written is only read. ``command`` is for tests and other synthesizers.

    Raises ConfigError when the language's catalogue is wrong or does not exist.
    """

    def __init__(
        self,
        config: SpeechConfig,
        rate_hz: int,
        cache_dir: Path | None = None,
        clock: Clock | None = None,
        *,
        command: Sequence[str] = WORKER,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._utterances = load_utterances(config)
        self._total = len(self._utterances) if config.enabled else 0
        self._rate_hz, self._timeout_s, self._command = rate_hz, timeout_s, command
        self._folder = cache_dir or cache_home() / "speech"
        self._clips: dict[str, Samples] = {}
        self._lost: str | None = None
        self._stop, self._done = threading.Event(), threading.Event()
        self._worker: SpeechWorker | None = None
        self._thread = GuardedThread("speech", self._work, announce=self._announce, clock=clock)
        if config.enabled:
            self._thread.start()
        else:
            self._done.set()

    @property
    def status(self) -> SpeechStatus:
        """How far it is, and what is lost."""
        return SpeechStatus(len(self._clips), self._total, self._done.is_set(), self._lost)

    def get(self, phrase: str) -> Samples | None:
        """The clip of ``phrase``: read-only float32 of shape ``(n,)``, or None. Never waits."""
        return self._clips.get(phrase)

    def text(self, phrase: str) -> str:
        """The words of ``phrase``. Raises KeyError for a key not in the phrase list."""
        return self._utterances[phrase].text

    def prepare(self, timeout_s: float = TIMEOUT_S) -> bool:
        """Wait until nothing more will come; True when every phrase is there."""
        return self._done.wait(timeout_s) and len(self._clips) == self._total

    def close(self) -> None:
        """End the synthesizer and the thread; clips stay. Safe to call twice."""
        self._stop.set()
        if (worker := self._worker) is not None:
            worker.kill()
        if self._thread.is_alive():
            self._thread.join(_CLOSE_S)

    def _announce(self, problem: str, gave_up: bool) -> None:
        if gave_up:  # those who wait hear of it
            self._finish(f"speech failed: {problem}")

    def _work(self) -> None:
        missing = [key for key in self._utterances if not self._find(key)]
        missing.sort(key=lambda key: -PHRASES[key].priority)  # dangers first
        try:
            reason = self._render(missing)
        finally:
            self._end_worker()
        count = self._total - len(self._clips)
        lost = count and not self._stop.is_set()
        self._finish(f"{count} of {self._total} phrases cannot be spoken: {reason}" * bool(lost))
        with contextlib.suppress(OSError):
            clips = sorted(self._folder.glob("*.clip"), key=lambda path: path.stat().st_mtime)
            for old in (*self._folder.glob("*.part"), *clips[:-MAX_FILES]):
                old.unlink(missing_ok=True)

    def _render(self, waiting: list[str]) -> str:
        """Render the phrases ``waiting``; why some could not be."""
        reason, starts = "", 0
        while waiting and not self._stop.is_set():
            key = waiting.pop(0)
            try:
                if self._worker is None:
                    starts += 1
                    self._worker = SpeechWorker(self._timeout_s, self._command)
                    if self._stop.is_set():  # close() may not have seen it
                        break
                self._keep(key, self._worker.render(self._utterances[key], self._rate_hz))
            except PhraseError as error:
                reason = str(error)
            except SpeechError as error:
                reason = str(error)
                self._end_worker()
                if starts == MAX_STARTS:
                    break
                waiting.append(key)  # it may be what ends the synthesizer: the others first
        return reason

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()

    def _finish(self, lost: str) -> None:
        if lost:
            self._lost = lost
            _log.info("%s", lost)
        self._done.set()

    # -- the cache: float32 samples, then their SHA-256; what is damaged is never played -----------

    def _path(self, key: str) -> Path:
        asked = json.dumps([_RECIPE, *astuple(self._utterances[key]), self._rate_hz])
        return self._folder / f"{hashlib.sha256(asked.encode()).hexdigest()[:32]}.clip"

    def _find(self, key: str) -> bool:
        """Whether the phrase is in the cache; then it can be said from now on."""
        with contextlib.suppress(OSError):
            data = self._path(key).read_bytes()
            if data[-32:] == hashlib.sha256(data[:-32]).digest():
                self._clips[key] = np.frombuffer(data[:-32], np.float32)
        return key in self._clips

    def _keep(self, key: str, clip: Samples) -> None:
        data = clip.tobytes()
        self._clips[key] = np.frombuffer(data, np.float32)  # read-only
        path = self._path(key)
        temporary = path.with_suffix(f".{os.getpid()}.part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(data + hashlib.sha256(data).digest())
            temporary.replace(path)
        except OSError as error:
            _log.debug("speech is not cached: %s", error)
