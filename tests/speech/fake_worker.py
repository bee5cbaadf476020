"""A synthesiser that misbehaves on request: ``fake_worker.py LOG MODE...``; speaks in tones.

Modes: ``version=X``, ``fatal``, ``dead``, ``dead_from=START``, ``mute_start``,
``nonsense=LINE``, ``flood``, ``chatty``, ``silent``, ``no_file``, ``bad_wav``,
and per text ``hang=TEXT``, ``crash=TEXT``, ``error=TEXT``.
Every text asked for is written to LOG.
"""

import json
import math
import os
import struct
import sys
import threading
import wave
from pathlib import Path

log, modes = sys.argv[1], [one for one in sys.argv[2:] if not one.startswith("--")]
options = dict(one.partition("=")[::2] for one in modes)


def say(message: object) -> None:
    print(json.dumps(message), flush=True)


def note(line: str) -> None:
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


note("start")
starts = Path(log).read_text(encoding="utf-8").splitlines().count("start")
if "dead" in options or starts >= int(options.get("dead_from", "1000")):
    sys.exit(3)
if "mute_start" in options:
    threading.Event().wait(60)
if "nonsense" in options:
    print(options["nonsense"], flush=True)
if "flood" in options:
    while True:
        print("x" * 1000, flush=True)
if "fatal" in options:
    say({"fatal": "espeak-ng is not installed"})
    sys.exit(1)
if "chatty" in options:
    print("Audio saved to somewhere\n\n", flush=True)
say({"ready": True, "engine": "fake " + options.get("version", "1")})
for line in sys.stdin:
    request = json.loads(line)
    text = request["text"]
    note(text)
    if options.get("hang") == text:
        threading.Event().wait(60)
    if options.get("crash") == text:
        os.abort()
    if options.get("error") == text:
        say({"error": f"cannot say {text}"})
        continue
    if "no_file" not in options:
        level = 0.0 if "silent" in options else 8000.0
        tone = [level * math.sin(n / 3.0) for n in range(1103 + 10 * len(text))]  # tells the text
        silence = [0.0] * 4410
        samples = [int(value) for value in silence[:1102] + tone + silence]
        with wave.open(request["path"], "wb") as file:
            file.setparams((1, 2, 22050, 0, "NONE", ""))
            file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    if "bad_wav" in options:
        with Path(request["path"]).open("wb") as file:
            file.write(b"RIFF but no")
    if "chatty" in options:
        print("Audio saved to somewhere", flush=True)
    say({"ok": True})
