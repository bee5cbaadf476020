"""Every phrase, rendered ahead of time: asking for one never waits.

Clips come from the cache at once; what is missing, or was spoken by another version of the
synthesiser, is rendered in a process of its own by a background thread. Whatever that process
does, the tones go on: speech is only ever there or not there, and :attr:`SpeechBank.status` says
which.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.audio.cues.phrases import PHRASES
from sonar.audio.speech.cache import SpeechCache
from sonar.audio.speech.catalogue import Utterance, Voice, load_utterances
from sonar.audio.speech.client import WORKER, NoSynthesiserError, PhraseError, SpeechClient
from sonar.audio.speech.pcm import clip_for_mixer
from sonar.clock import SystemClock
from sonar.config import SpeechConfig
from sonar.errors import SpeechError
from sonar.files import cache_home
from sonar.ports import Clock
from sonar.threads import GuardedThread

MAX_STARTS = 4  # of the synthesiser, for one voice
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
        command: the worker's command line, for tests and other synthesisers.

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
    ) -> None:
        self._utterances: Mapping[str, Utterance] = load_utterances(config)
        self._rate_hz, self._timeout_s = rate_hz, config.timeout_s
        self._clock, self._command = clock or SystemClock(), command
        self._cache = SpeechCache(cache_dir or cache_home() / "speech", rate_hz)
        self._clips: dict[str, NDArray[np.float32]] = {}
        self._status = SpeechStatus(0, len(self._utterances) if config.enabled else 0, False)
        self._guard = threading.Lock()
        self._stop, self._done = threading.Event(), threading.Event()
        self._client: SpeechClient | None = None
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
        with self._guard:
            return replace(self._status, ready=len(self._clips))

    def get(self, phrase: str) -> NDArray[np.float32] | None:
        """The clip of ``phrase``: read-only float32 of shape ``(n,)``, or None. Never waits."""
        return self._clips.get(phrase)

    def text(self, phrase: str) -> str:
        """The words of ``phrase``. Raises KeyError for a key not in the phrase list."""
        return self._utterances[phrase].text

    def prepare(self, timeout_s: float) -> bool:
        """Wait until nothing more will come; True when every phrase is there."""
        self._done.wait(timeout_s)
        status = self.status
        return status.done and status.ready == status.total

    def close(self) -> None:
        """End the synthesiser and the thread; clips stay. Safe to call twice."""
        self._stop.set()
        with self._guard:
            client = self._client
        if client is not None:
            client.close()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _announce(self, problem: str, gave_up: bool) -> None:
        if gave_up:  # those who wait hear of it
            self._finish(f"speech failed: {problem}")

    def _work(self) -> None:
        for key, utterance in self._utterances.items():
            clip = self._cache.find(utterance, None)
            if clip is not None:
                self._add(key, clip)
        self._finish(self._render_all())
        self._cache.prune()

    def _render_all(self) -> str | None:
        reasons = []
        by_voice: dict[Voice, list[str]] = {}
        for key, utterance in self._utterances.items():
            by_voice.setdefault(utterance.voice, []).append(key)
        for voice, keys in by_voice.items():
            reason = self._render_voice(voice, keys)
            if reason is not None and any(key not in self._clips for key in keys):
                reasons.append(reason)
            elif reason is not None:
                _log.info("speech comes from the cache alone: %s", reason)
        missing = len(self._utterances) - len(self._clips)
        if not missing or self._stop.is_set():
            return None
        return f"{missing} of {len(self._utterances)} phrases cannot be spoken: {reasons[0]}"

    def _render_voice(self, voice: Voice, keys: list[str]) -> str | None:
        """Render what is not in the cache; why it could not, or None."""
        waiting = sorted(keys, key=lambda key: -PHRASES[key].priority)
        failures: dict[str, int] = {}
        reason: str | None = None
        for _ in range(MAX_STARTS):
            client = SpeechClient(voice, self._timeout_s, self._clock, self._command)
            with self._guard:
                if self._stop.is_set():
                    return None
                self._client = client
            try:
                engine = client.start()
                while waiting:
                    reason = self._render(client, engine, waiting[0]) or reason
                    waiting.pop(0)
                return reason
            except NoSynthesiserError as error:
                return str(error)
            except SpeechError as error:
                reason = str(error)
                _log.debug("speech, at %s: %s", waiting[0], reason)
            finally:
                client.close()
            # It may be this phrase that brings the synthesiser down: others shall not suffer.
            failures[waiting[0]] = failures.get(waiting[0], 0) + 1
            if failures[waiting[0]] >= MAX_TRIES:
                waiting.pop(0)
            if not waiting:
                break
        return reason

    def _render(self, client: SpeechClient, engine: str, key: str) -> str | None:
        """One phrase, from the cache or by the synthesiser; why not, or None."""
        utterance = self._utterances[key]
        clip = self._cache.find(utterance, engine)
        if clip is None:
            if self._stop.is_set():
                raise SpeechError("speech was stopped")
            try:
                clip = clip_for_mixer(*client.render(utterance.text), self._rate_hz)
            except PhraseError as error:
                return str(error)
            if clip.size == 0:
                return f"the synthesiser gave silence for {utterance.text!r}"
            self._cache.keep(utterance, engine, clip)
        self._add(key, clip)
        return None

    def _add(self, key: str, clip: NDArray[np.float32]) -> None:
        clip.setflags(write=False)
        with self._guard:
            self._clips[key] = clip

    def _finish(self, lost: str | None) -> None:
        if lost is not None:
            _log.info("%s", lost)
        with self._guard:
            self._status = replace(self._status, done=True, lost=lost)
        self._done.set()
