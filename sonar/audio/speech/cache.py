"""Rendered phrases on disk, so that speech is there at once the next time.

A file is a WAV that any player opens, followed by the SHA-256 of what is before it: a file cut
short or damaged is never played, it is rendered again. The name tells what was asked
(text, voice, rate, pitch, sample rate) and which synthesiser answered.
"""

import hashlib
import json
import logging
import tempfile
from pathlib import Path

from sonar.audio.speech.catalogue import Utterance
from sonar.audio.speech.pcm import Samples, read_wav, write_wav
from sonar.errors import SpeechError

MAX_FILES = 2000  # about 100 MB; the oldest go first
_MAX_BYTES = 20_000_000
_RECIPE = "1"  # raise it when speech_pcm makes other clips of the same recording
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

    def find(self, utterance: Utterance, engine: str | None) -> Samples | None:
        """The clip that ``engine`` rendered, or that any did for None; None when there is none."""
        asked = self._asked(utterance)
        if engine is not None:
            return self._read(self._folder / f"{asked}-{_digest(engine)[:8]}.wav")
        try:
            found = sorted(self._folder.glob(f"{asked}-*.wav"))
        except OSError:
            return None
        return next((clip for path in found if (clip := self._read(path)) is not None), None)

    def keep(self, utterance: Utterance, engine: str, clip: Samples) -> None:
        """Store ``clip``, atomically; forget what another version of the synthesiser said."""
        if not self._writable:
            return
        asked = self._asked(utterance)
        path = self._folder / f"{asked}-{_digest(engine)[:8]}.wav"
        wav = write_wav(clip, self._rate_hz)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=self._folder, suffix=".part", delete=False
            ) as file:
                temporary = Path(file.name)
                try:
                    file.write(wav + hashlib.sha256(wav).digest())
                    file.close()
                    temporary.replace(path)
                except OSError:
                    temporary.unlink(missing_ok=True)
                    raise
            for old in self._folder.glob(f"{asked}-*.wav"):
                if old != path:
                    old.unlink(missing_ok=True)
        except OSError as error:
            self._writable = False
            _log.info("speech is not cached: %s: %s", self._folder, error.strerror or error)

    def prune(self) -> None:
        """Remove the oldest files beyond :data:`MAX_FILES`, and what a crash left half-written."""
        if not self._writable:
            return
        try:
            for part in self._folder.glob("*.part"):
                part.unlink(missing_ok=True)
            files = sorted(self._folder.glob("*.wav"), key=lambda path: path.stat().st_mtime)
            for old in files[: max(0, len(files) - MAX_FILES)]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.debug("the speech cache was not tidied: %s", error)

    def _asked(self, utterance: Utterance) -> str:
        voice = utterance.voice
        key = [_RECIPE, utterance.text, voice.name, voice.rate_wpm, voice.pitch, self._rate_hz]
        return _digest(json.dumps(key))[:24]

    def _read(self, path: Path) -> Samples | None:
        try:
            if path.stat().st_size > _MAX_BYTES:
                return None
            data = path.read_bytes()
        except OSError:
            return None
        wav, digest = data[:-32], data[-32:]
        if hashlib.sha256(wav).digest() != digest:
            _log.info("a damaged clip in the speech cache is rendered again: %s", path.name)
            return None
        try:
            clip, rate_hz = read_wav(wav)
        except SpeechError:
            return None
        return clip if rate_hz == self._rate_hz and clip.size else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
