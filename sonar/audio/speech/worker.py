"""The synthesizer as a process of its own: ``python -m sonar.audio.speech.worker``.

espeak-ng, through the binding of pyttsx3. It may hang or crash; here it cannot harm the guiding.
The binding is used in espeak-ng's synchronous mode. pyttsx3's own loop uses the asynchronous one,
where a rate came into force one utterance late, in about one start of fifty never, and a phrase
was now and then the end of the one before.

It answers on the socket whose number it is given: first whether it is ready, then each text it
receives. An answer is OK with the sample rate and 16-bit little-endian mono samples, or FAILED or
FATAL with one sentence.
"""

import argparse
import ctypes
import signal
import struct
import sys
from multiprocessing.connection import Connection
from typing import Any

from sonar.errors import SpeechError
from sonar.threads import end_with_parent

OK, FAILED, FATAL = b"+", b"-", b"!"  # the first byte of an answer
RATE = struct.Struct("<I")  # Hz; follows OK
_BUFFER_MS = 1000


def main() -> int:
    """Serve until the other end closes; 1 when there is no synthesizer."""
    parser = argparse.ArgumentParser(prog="sonar.audio.speech.worker")
    parser.add_argument("--voice", required=True)
    parser.add_argument("--rate-wpm", type=int, required=True)
    parser.add_argument("--pitch", type=int, required=True)
    parser.add_argument("--socket", type=int, required=True, help="number of an open file")
    parser.add_argument("--parent", type=int, required=True, help="process to end with")
    options = parser.parse_args()
    end_with_parent(options.parent, signal.SIGKILL)
    with Connection(options.socket) as connection:
        try:
            synthesizer = Synthesizer(options.voice, options.rate_wpm, options.pitch)
        except SpeechError as error:
            connection.send_bytes(FATAL + str(error).encode())
            return 1
        rate = RATE.pack(synthesizer.rate_hz)
        connection.send_bytes(OK + rate)
        while True:
            try:
                text = connection.recv_bytes()
            except (EOFError, OSError):
                return 0
            samples = synthesizer.render(text)
            connection.send_bytes(OK + rate + samples if samples else FAILED + b"it gave no sound")


class Synthesizer:
    """espeak-ng with one voice. Raises SpeechError when it is not there or lacks the voice.

    Attributes:
        rate_hz: sample rate of what it renders.
    """

    def __init__(self, voice: str, rate_wpm: int, pitch: int) -> None:
        if voice.startswith("mb/"):  # these have rates of their own
            raise SpeechError(f"the voice {voice} is an mbrola voice, which sonar cannot use")
        try:
            from pyttsx3.drivers import _espeak
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            raise SpeechError("espeak-ng is not installed; try: apt install espeak-ng") from error
        self._library: Any = _espeak
        self._chunks: list[bytes] = []
        self.rate_hz = int(_espeak.Initialize(_espeak.AUDIO_OUTPUT_SYNCHRONOUS, _BUFFER_MS))
        if self.rate_hz <= 0:
            raise SpeechError("espeak-ng cannot be started")
        _espeak.SetSynthCallback(self._take)
        if _espeak.SetVoiceByName(voice.encode("utf-8", "replace")) != 0:
            raise SpeechError(f"espeak-ng has no voice {voice}; see: espeak-ng --voices")
        _espeak.SetParameter(_espeak.RATE, rate_wpm, 0)
        _espeak.SetParameter(_espeak.PITCH, pitch, 0)

    def render(self, text: bytes) -> bytes:
        """16-bit mono samples of ``text``, which is UTF-8; empty where it makes no sound."""
        self._chunks.clear()
        self._library.Synth(text, flags=self._library.ENDPAUSE | self._library.CHARS_UTF8)
        return b"".join(self._chunks)

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        if count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0


if __name__ == "__main__":
    sys.exit(main())
