"""Faults of sound under the running guide: the server and the sink.

With the supervisor, the guide and the network as they are, over a recording, and a PulseAudio
server of the test's own. Skipped where that is not installed.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sonar.service.supervisor.sounds import in_memory, without_words

pytestmark = pytest.mark.realtime

REPO = Path(__file__).parents[2]
CLIP = REPO / "sonar/demo/walk.mp4"
TOOLS = ("pulseaudio", "pactl", "parec", "paplay", "pacat")
needs_pulse = pytest.mark.skipif(
    not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so"))
    or any(shutil.which(tool) is None for tool in TOOLS),
    reason="needs pulseaudio, pulseaudio-utils and libasound2-plugins",
)

# The rehearsal, in which every cue sounds all the time: what is silent then is broken.
STEADY = f"""
import sys
sys.path.insert(0, {str(REPO)!r})
import sonar.audio.cues.urgency
sonar.audio.cues.urgency.EARLY_SILENCE_S = 60.0
from tests.soak.rehearsal import main
main(sys.argv[1:])
"""


class Real:
    """Supervisor and guide over a recording, and what is heard of them."""

    def __init__(self, folder: Path) -> None:
        from tests.soak.private_pulse import Server

        self.server = Server(folder)
        self.events: list[dict[str, Any]] = []
        sounds = in_memory(without_words())
        settings = {
            "sounds": sounds,
            "command": (sys.executable, "-c", STEADY, str(CLIP), "speech.enabled=false"),
            "limits": {"alarm_after_s": 0.7},
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sonar.service.supervisor.runner", json.dumps(settings)],
            env=self.server.env,
            stderr=subprocess.PIPE,
            pass_fds=[fd for fd, _ in sounds.values()],
        )
        for fd, _ in sounds.values():
            os.close(fd)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(b"{"):
                self.events.append(json.loads(line))

    def wait(self, condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> float:
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < limit_s, f"no {what}: {self.events[-6:]}"
            time.sleep(0.02)
        return time.monotonic() - start

    def count(self, name: str) -> int:
        return sum(e["event"] == name and e["from"] == "supervisor" for e in list(self.events))

    def heard_since(self, chunks: int) -> bool:
        """Whether the guide's own sound was heard after so many chunks of the recording."""
        data = b"".join(self.server.ears.chunks[chunks:])
        samples = np.frombuffer(data[: len(data) // 2 * 2], np.int16)
        return samples.size > 0 and int(np.abs(samples).max()) > 300

    def close(self) -> None:
        for event in self.events:
            if event["event"] == "started":
                try:
                    os.killpg(event["pid"], signal.SIGKILL)
                except ProcessLookupError:
                    continue
        self.process.kill()
        self.process.wait(5)
        self.server.close()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    one = Real(tmp_path)
    try:
        one.wait(lambda: one.count("guiding") > 0, "guidance")
        one.wait(lambda: one.heard_since(0), "sound")
        yield one
    finally:
        one.close()


@needs_pulse
def test_an_audio_server_that_is_killed_and_back_under_the_running_guide(real: Real) -> None:
    guides = real.count("started")
    real.server.kill()
    real.wait(lambda: real.count("stalled") + real.count("failed") > 0, "a failure", 5)
    time.sleep(1.0)
    real.server.start()
    ears = len(real.server.ears.chunks)
    took_s = real.wait(lambda: real.heard_since(ears), "sound", 30)
    assert took_s < 15.0
    real.wait(lambda: real.count("recovered") + real.count("guiding") > 1, "guidance", 15)
    assert real.count("started") - guides <= 1  # the guide finds it again by itself, or one more
    assert real.process.poll() is None


@needs_pulse
def test_a_sink_that_goes_is_alarmed_elsewhere_and_found_again(real: Real) -> None:
    """Headphones unplugged: the alarm goes to what the server has left."""

    def pactl(*words: str) -> str:
        done = subprocess.run(
            ["pactl", *words], env=real.server.env, capture_output=True, text=True, timeout=10
        )
        return done.stdout

    modules = [line.split("\t") for line in pactl("list", "short", "modules").splitlines()]
    (ears,) = [number for number, _, what, *_ in modules if "sink_name=ears" in what]
    # No stream may move to the other sink, as with a card that takes one stream only.
    pactl("set-sink-mute", "ears", "1")
    inputs = [line.split("\t")[0] for line in pactl("list", "short", "sink-inputs").splitlines()]
    real.server.ears.process.terminate()
    for one in inputs:
        pactl("kill-sink-input", one)
    pactl("unload-module", ears)
    pactl("load-module", "module-null-sink", "sink_name=ears", "rate=48000", "channels=2")
    pactl("set-default-sink", "ears")
    from tests.soak.private_pulse import Monitor

    real.server.ears = Monitor("ears", real.server.env)
    took_s = real.wait(lambda: real.heard_since(0), "sound", 30)
    assert took_s < 10.0
    assert real.process.poll() is None
