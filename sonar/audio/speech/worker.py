"""The synthesizer as a process of its own: ``python -m sonar.audio.speech.worker SOCKET PARENT``.

espeak-ng, through the binding of pyttsx3. It may hang or crash; here it cannot harm the guiding.
The binding is used in espeak-ng's synchronous mode: in the asynchronous one of pyttsx3's own loop a
rate came into force one utterance late, and a phrase was now and then the end of the one before.

SOCKET is the number of an open socket, PARENT the process to end with. To each ``(text, voice,
words a minute)`` it answers the sample rate in Hz with 16-bit mono samples, or why there are none.
"""

import ctypes
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from sonar.errors import SpeechError
from sonar.threads import end_with_parent

_BUFFER_MS = 1000


def main(number: int, parent: int) -> None:
    """Serve until the other end closes."""
    end_with_parent(parent, signal.SIGKILL)
    synthesizer = Synthesizer()
    with Connection(number) as connection, suppress(EOFError):
        while True:
            try:
                connection.send(synthesizer.render(*connection.recv()))
            except SpeechError as error:
                connection.send(str(error))


class Synthesizer:
    """espeak-ng, loaded for the first phrase."""

    def __init__(self) -> None:
        self._library: Any = None
        self._chunks: list[bytes] = []
        self._rate_hz = 0

    def _load(self) -> None:
        try:
            from pyttsx3.drivers import _espeak
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            raise SpeechError("espeak-ng is not installed; try: apt install espeak-ng") from error
        self._rate_hz = int(_espeak.Initialize(_espeak.AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS))
        if self._rate_hz <= 0:
            raise SpeechError("espeak-ng cannot be started")
        _espeak.SetSynthCallback(self._take)
        self._library = _espeak

    def render(self, text: str, voice: str, rate_wpm: int) -> tuple[int, bytes]:
        """Sample rate and 16-bit mono samples. Raises SpeechError without espeak-ng, voice
        or sound."""
        if self._library is None:
            self._load()
        if voice.startswith("mb/"):  # these have rates of their own
            raise SpeechError(f"the voice {voice} is an mbrola voice, which sonar cannot use")
        if self._library.SetVoiceByName(voice.encode("utf-8", "replace")) != 0:
            raise SpeechError(f"espeak-ng has no voice {voice}; see: espeak-ng --voices")
        self._library.SetParameter(self._library.RATE, rate_wpm, 0)
        self._chunks.clear()
        flags = self._library.ENDPAUSE | self._library.CHARS_UTF8
        self._library.Synth(text.encode("utf-8", "replace"), flags=flags)
        if not self._chunks:
            raise SpeechError(f"the synthesizer gave silence for {text!r}")
        return self._rate_hz, b"".join(self._chunks)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
