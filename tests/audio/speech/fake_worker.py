"""A synthesizer that misbehaves on request: ``fake_worker.py LOG MODE...``; speaks in tones.

Modes: ``fatal``, ``dead``, ``mute_start``, ``silent``, and per text
``hang=TEXT``, ``crash=TEXT``, ``error=TEXT``, ``stall=TEXT`` (in mid-answer). Every text asked for
is written to LOG.
"""

import math
import os
import struct
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

log, *modes, number, _parent = sys.argv[1:]
options = dict(one.partition("=")[::2] for one in modes)
connection = Connection(int(number))


def note(line: str) -> None:
    with Path(log).open("a", encoding="utf-8") as file:
        file.write(line + "\n")


note("start")
if "dead" in options:
    sys.exit(3)
if "mute_start" in options:
    threading.Event().wait(60)
print("a library prints whatever it likes", flush=True)
while True:
    try:
        text, _voice, _rate_wpm = connection.recv()
    except EOFError:
        break
    note(text)
    if options.get("hang") == text:
        threading.Event().wait(60)
    if options.get("crash") == text:
        os.abort()
    if options.get("stall") == text:
        os.write(connection.fileno(), struct.pack("!i", 1000) + b"x" * 10)
        threading.Event().wait(60)
    if "fatal" in options:
        connection.send("espeak-ng is not installed")
        continue
    if options.get("error") == text:
        connection.send(f"cannot say {text}")
        continue
    level = 0.0 if "silent" in options else 8000.0
    tone = [level * math.sin(n / 3.0) for n in range(1103 + 10 * len(text))]  # depends on the text
    silence = [0.0] * 4410
    samples = [int(value) for value in silence[:1102] + tone + silence]
    connection.send((22050, struct.pack(f"<{len(samples)}h", *samples)))
