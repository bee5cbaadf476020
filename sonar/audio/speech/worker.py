"""The synthesiser in a process of its own: ``python -m sonar.audio.speech.worker``.

pyttsx3 may hang or bring its process down, and its loop must not meet ours; here it can do
neither harm. One voice and rate a process: pyttsx3 applies a changed rate one utterance late,
and after a change of language espeak-ng may stay silent.

Protocol, one JSON object a line::

    -> (start)                           {"ready": true, "engine": "espeak-ng 1.51, pyttsx3 2.99"}
                                         {"fatal": "one sentence"}     and the process ends
    <- {"text": "Stop", "path": "x.wav"} {"ok": true}
                                         {"error": "one sentence"}
    <- (end of input)                    the process ends
"""

import argparse
import importlib.metadata
import json
import os
import sys
import tempfile
import threading
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from sonar.audio.speech.pcm import Samples, agree, read_wav
from sonar.errors import SpeechError
from sonar.threads import GuardedThread

ATTEMPTS = 10
ORPHANED = 3  # exit code


def main() -> int:
    """Serve until the input ends; 0, or 1 when there is no synthesiser."""
    parser = argparse.ArgumentParser(prog="sonar.audio.speech.worker")
    parser.add_argument("--voice", required=True)
    parser.add_argument("--rate-wpm", type=int, required=True)
    parser.add_argument("--pitch", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True, help="process to end with")
    options = parser.parse_args()
    # pyttsx3 prints to stdout; the protocol keeps the real one to itself.
    out = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    GuardedThread("orphan", partial(_end_with_parent, options.parent)).start()
    try:
        synthesiser = Synthesiser(options.voice, options.rate_wpm, options.pitch)
    except SpeechError as error:
        _say(out, {"fatal": str(error)})
        return 1
    _say(out, {"ready": True, "engine": synthesiser.engine})
    for line in sys.stdin:
        try:
            request = json.loads(line)
            synthesiser.render(request["text"], Path(request["path"]))
        except (SpeechError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            _say(out, {"error": str(error) or type(error).__name__})
        else:
            _say(out, {"ok": True})
    return 0


class Synthesiser:
    """pyttsx3 with espeak-ng, one voice.

    Attributes:
        engine: name and version of what speaks.

    Raises:
        SpeechError: espeak-ng is not installed, does not start, or lacks the voice.
    """

    engine: str

    def __init__(self, voice: str, rate_wpm: int, pitch: int) -> None:
        if voice.startswith("mb/"):
            # pyttsx3 writes 22,050 Hz into every file; these voices speak at 16,000.
            raise SpeechError(f"the voice {voice} is an mbrola voice, which pyttsx3 cannot render")
        try:
            import pyttsx3
            from pyttsx3.drivers import _espeak

            self._pyttsx3 = pyttsx3.init("espeak")
            self._library: Any = _espeak
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            raise SpeechError("espeak-ng is not installed; try: apt install espeak-ng") from error
        version = (self._library.Info() or b"").decode(errors="replace").split(" ")[0]
        self.engine = f"espeak-ng {version}, pyttsx3 {importlib.metadata.version('pyttsx3')}"
        self._settings = {"voice": voice, "rate": rate_wpm, "pitch": pitch}
        problems: list[Exception] = []
        self._pyttsx3.connect("error", lambda name, exception: problems.append(exception))
        self._set()
        self._run()  # the first settings wait in a queue until a loop runs, later ones do not
        if problems:
            raise SpeechError(f"espeak-ng has no voice {voice}; see: espeak-ng --voices")
        with tempfile.TemporaryDirectory(prefix="sonar-speech-") as folder:
            self._settle(Path(folder) / "counting.wav")

    def _set(self) -> None:
        for name, value in self._settings.items():
            self._pyttsx3.setProperty(name, value)
            self._library.Synchronize()  # espeak-ng takes a rate up in a thread of its own

    def _settle(self, path: Path) -> None:
        """Speak until setting everything once more changes nothing.

        pyttsx3 sets a rate of its own at the start. In about one start of fifty that one came
        into force after ours, and everything was spoken at 200 words a minute.
        """
        before = None
        for _ in range(ATTEMPTS):
            self._set()
            now = self._record("1 2 3", path)
            if before is not None and now is not None and agree(before, now):
                return
            before = now
        raise SpeechError("espeak-ng does not keep to one voice and rate")

    def render(self, text: str, path: Path) -> None:
        """Write ``text`` as a 16-bit mono WAV to ``path``.

        Now and then pyttsx3 takes the end of one utterance for the end of the next and writes
        silence, or the wrong words' remainder. So every phrase is spoken until two recordings
        agree.

        Raises:
            SpeechError: they never did, or the words make no sound.
        """
        earlier: list[tuple[Samples, int]] = []
        for _ in range(ATTEMPTS):
            now = self._record(text, path)
            if now is None:
                continue
            if any(agree(one, now) for one in earlier):
                return
            earlier.append(now)
        raise SpeechError(f"espeak-ng gave no steady sound for {text!r}")

    def _record(self, text: str, path: Path) -> tuple[Samples, int] | None:
        path.unlink(missing_ok=True)
        self._pyttsx3.save_to_file(text, str(path))
        self._run()
        try:
            return read_wav(path.read_bytes())
        except (OSError, SpeechError):
            return None

    def _run(self) -> None:
        self._pyttsx3.runAndWait()
        self._library.Synchronize()


def _say(out: TextIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message) + "\n")
    out.flush()


def _end_with_parent(parent: int) -> None:
    """A parent that was killed cannot end us; a hung synthesiser would live on for ever.

    The parent tells its own number: it may be gone before we could ask who it is.
    """
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(1.0)
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
