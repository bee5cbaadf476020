"""Every phrase, rendered ahead of time: asking for one never waits.

Clips come from the cache at once; what is missing is rendered by a process of its own, asked by a
background thread. Whatever that process does, the tones go on: a phrase is there or not there,
and :attr:`SpeechBank.status` says which.
"""

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.cues import PHRASES
from sonar.audio.speech.cache import SpeechCache
from sonar.audio.speech.catalogue import Utterance, Voice, load_utterances
from sonar.audio.speech.clips import clip_for_mixer
from sonar.audio.speech.process import WORKER, NoSynthesizerError, PhraseError, SpeechWorker
from sonar.clock import SystemClock
from sonar.config import SpeechConfig
from sonar.errors import SpeechError
from sonar.files import cache_home
from sonar.ports import Clock
from sonar.threads import GuardedThread

TIMEOUT_S = 10.0
MAX_STARTS = 4  # of the synthesizer, for one voice
MAX_TRIES = 2  # for one phrase
_CLOSE_S = 5.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpeechStatus:
    """How far speech is.

    Attributes:
        ready: phrases that can be said now.
        total: phrases there should be; 0 where speech is off.
        done: nothing more will come.
        lost: why some or all phrases will not be there, one sentence; None when all is well.
    """

    ready: int
    total: int
    done: bool
    lost: str | None = None


class SpeechBank:
    """A :class:`~sonar.ports.Speaker`; starts working when made.

    Args:
        config: language, voice, speed; ``enabled`` false makes an empty, silent bank.
        rate_hz: of the mixer.
        cache_dir: where clips are kept; None is ``$SONAR_HOME/speech``, or the user's cache folder.
        clock: for time limits.
        timeout_s: longest wait for the synthesizer to start, and for each phrase.
        command: the worker's command line, for tests and other synthesizers.

    Raises:
        ConfigError: the language's catalogue is wrong or does not exist.
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
        self._utterances: Mapping[str, Utterance] = load_utterances(config)
        self._rate_hz, self._timeout_s = rate_hz, timeout_s
        self._clock, self._command = clock or SystemClock(), command
        self._cache = SpeechCache(cache_dir or cache_home() / "speech", rate_hz)
        self._clips: dict[str, NDArray[np.float32]] = {}
        self._status = SpeechStatus(0, len(self._utterances) if config.enabled else 0, False)
        self._lock = threading.Lock()
        self._stop, self._done = threading.Event(), threading.Event()
        self._worker: SpeechWorker | None = None
        self._thread: GuardedThread | None = None
        if config.enabled:
            self._thread = GuardedThread(
                "speech", self._work, announce=self._announce, clock=self._clock
            )
            self._thread.start()
        else:
            self._finish(None)

    @property
    def status(self) -> SpeechStatus:
        """How far it is, and what is lost."""
        with self._lock:
            return replace(self._status, ready=len(self._clips))

    def get(self, phrase: str) -> NDArray[np.float32] | None:
        """The clip of ``phrase``: read-only float32 of shape ``(n,)``, or None. Never waits."""
        return self._clips.get(phrase)

    def text(self, phrase: str) -> str:
        """The words of ``phrase``. Raises KeyError for a key not in the phrase list."""
        return self._utterances[phrase].text

    def prepare(self, timeout_s: float = TIMEOUT_S) -> bool:
        """Wait until nothing more will come; True when every phrase is there."""
        self._done.wait(timeout_s)
        status = self.status
        return status.done and status.ready == status.total

    def close(self) -> None:
        """End the synthesizer and the thread; clips stay. Safe to call twice."""
        self._stop.set()
        with self._lock:
            worker = self._worker
        if worker is not None:
            worker.close()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _announce(self, problem: str, gave_up: bool) -> None:
        if gave_up:  # those who wait hear of it
            self._finish(f"speech failed: {problem}")

    def _work(self) -> None:
        missing: dict[Voice, list[str]] = {}
        for key, utterance in self._utterances.items():
            clip = self._cache.find(utterance)
            if clip is None:
                missing.setdefault(utterance.voice, []).append(key)
            else:
                self._add(key, clip)
        reasons = [self._render_voice(voice, keys) for voice, keys in missing.items()]
        reason = next((reason for reason in reasons if reason), None)
        count = len(self._utterances) - len(self._clips)
        if not count or self._stop.is_set():
            self._finish(None)
        else:
            of = f"{count} of {len(self._utterances)}"
            self._finish(f"{of} phrases cannot be spoken: {reason}")
        self._cache.prune()

    def _render_voice(self, voice: Voice, keys: list[str]) -> str | None:
        """Render ``keys``, dangers first; why some could not be, or None."""
        waiting = sorted(keys, key=lambda key: -PHRASES[key].priority)
        failures: Counter[str] = Counter()
        reason: str | None = None
        for _ in range(MAX_STARTS):
            worker = SpeechWorker(voice, self._timeout_s, self._command)
            with self._lock:
                self._worker = worker
            try:
                worker.start()
                while waiting and not self._stop.is_set():
                    reason = self._render(worker, waiting[0]) or reason
                    waiting.pop(0)
                return reason
            except NoSynthesizerError as error:
                return str(error)
            except SpeechError as error:
                reason = str(error)
                _log.debug("speech, at %s: %s", waiting[0], reason)
            finally:
                worker.close()
            # This phrase may be what brings the synthesizer down; the others do without it.
            failures[waiting[0]] += 1
            if failures[waiting[0]] >= MAX_TRIES:
                waiting.pop(0)
            if not waiting or self._stop.is_set():
                break
        return reason

    def _render(self, worker: SpeechWorker, key: str) -> str | None:
        """One phrase; why it cannot be spoken, or None."""
        utterance = self._utterances[key]
        try:
            clip = clip_for_mixer(*worker.render(utterance.text), self._rate_hz)
        except PhraseError as error:
            return str(error)
        if clip.size == 0:
            return f"the synthesizer gave silence for {utterance.text!r}"
        self._cache.keep(utterance, clip)
        self._add(key, clip)
        return None

    def _add(self, key: str, clip: NDArray[np.float32]) -> None:
        clip.setflags(write=False)
        with self._lock:
            self._clips[key] = clip

    def _finish(self, lost: str | None) -> None:
        if lost is not None:
            _log.info("%s", lost)
        with self._lock:
            self._status = replace(self._status, done=True, lost=lost)
        self._done.set()
