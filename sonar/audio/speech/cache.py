"""Rendered phrases on disk, so that speech is there at once the next time.

A file is the clip's 16-bit samples, followed by the SHA-256 of what is before it: a file cut short
or damaged is never played, it is rendered again. Its name says what was asked for: text, voice,
rate, pitch, sample rate.
"""

import hashlib
import json
import logging
import tempfile
from pathlib import Path

import numpy as np

from sonar.audio.speech.catalogue import Utterance
from sonar.audio.speech.clips import Samples

MAX_FILES = 2000  # about 100 MB; the oldest go first
_LARGEST_BYTES = 20_000_000
_RECIPE = "2"  # raise it when clips.py makes other clips of the same recording
_SUFFIX = ".clip"
_log = logging.getLogger(__name__)


class SpeechCache:
    """One folder of clips; a folder that cannot be written is used for reading only.

    Args:
        folder: made when first needed.
        rate_hz: sample rate of the clips.
    """

    def __init__(self, folder: Path, rate_hz: int) -> None:
        self._folder, self._rate_hz = folder, rate_hz
        self._writable = True

    def find(self, utterance: Utterance) -> Samples | None:
        """The clip, float32 of shape ``(n,)``; None when there is none."""
        path = self._path(utterance)
        try:
            if path.stat().st_size > _LARGEST_BYTES:
                return None
            data = path.read_bytes()
        except OSError:
            return None
        pcm, digest = data[:-32], data[-32:]
        if not pcm or hashlib.sha256(pcm).digest() != digest:
            _log.info("a damaged clip in the speech cache is rendered again: %s", path.name)
            return None
        return np.frombuffer(pcm, "<i2").astype(np.float32) / 32767.0

    def keep(self, utterance: Utterance, clip: Samples) -> None:
        """Store ``clip`` in one step."""
        if not self._writable:
            return
        pcm = np.round(np.clip(clip, -1, 1) * 32767.0).astype("<i2").tobytes()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=self._folder, suffix=".part", delete=False
            ) as file:
                temporary = Path(file.name)
                try:
                    file.write(pcm + hashlib.sha256(pcm).digest())
                    file.close()
                    temporary.replace(self._path(utterance))
                except OSError:
                    temporary.unlink(missing_ok=True)
                    raise
        except OSError as error:
            self._writable = False
            _log.info("speech is not cached: %s: %s", self._folder, error.strerror or error)

    def prune(self) -> None:
        """Remove the oldest clips beyond :data:`MAX_FILES`, and what a crash left half-written."""
        try:
            clips = sorted(self._folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime)
            for old in (*self._folder.glob("*.part"), *clips[: max(0, len(clips) - MAX_FILES)]):
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.debug("the speech cache was not tidied: %s", error)

    def _path(self, utterance: Utterance) -> Path:
        voice = utterance.voice
        key = [_RECIPE, utterance.text, voice.name, voice.rate_wpm, voice.pitch, self._rate_hz]
        text = json.dumps(key).encode("utf-8", "surrogatepass")
        return self._folder / (hashlib.sha256(text).hexdigest()[:32] + _SUFFIX)
