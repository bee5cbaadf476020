"""A PulseAudio server of our own, with null sinks whose monitors are recorded.

What sonar plays goes to the sink ``ears``. What the supervisor's player plays, which is paplay,
goes to a sink of its own: so each is known for what it is, though a walker hears both at once.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np

RATE_HZ = 8000  # of the recording


class Monitor:
    """Records one sink until asked to stop: samples with times."""

    def __init__(self, sink: str, env: dict[str, str]) -> None:
        self.chunks: list[bytes] = []
        self.arrivals: list[tuple[int, float]] = [(0, time.monotonic())]  # samples, when they came
        self.process = subprocess.Popen(
            [
                *("parec", "-d", f"{sink}.monitor", f"--rate={RATE_HZ}", "--channels=1"),
                *("--format=s16le", "--raw", "--latency-msec=10"),
            ],
            env=env,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        count = 0
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 65536):
            self.chunks.append(data)
            count += len(data) // 2
            self.arrivals.append((count, time.monotonic()))

    def heard(self) -> tuple[np.ndarray, np.ndarray]:
        """Samples in [-1, 1], and when each was heard at the latest."""
        samples = np.frombuffer(b"".join(self.chunks), np.int16).astype(np.float32) / 32768
        counts, times = (np.array(column) for column in zip(*self.arrivals, strict=True))
        return samples, np.interp(np.arange(samples.size), counts, times)


class Server:
    """A PulseAudio server; ``ears`` and ``alarm`` are its sinks' monitors where it records."""

    def __init__(self, folder: Path, record: bool = True) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that close() is reached
        run = folder / "run"
        run.mkdir(mode=0o700)
        asound = folder / "asoundrc"
        asound.write_text(
            "</usr/share/alsa/alsa.conf>\n"
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        players = folder / "bin"
        players.mkdir()
        player = players / "paplay"
        player.write_text(f'#!/bin/sh\nPULSE_SINK=alarm exec {shutil.which("paplay")} "$@"\n')
        player.chmod(0o755)
        self.env = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(run),
            "ALSA_CONFIG_PATH": str(asound),
            "PATH": f"{players}:{os.environ['PATH']}",
        }
        self.env.pop("PULSE_SERVER", None)
        self._record = record
        self.start()

    def start(self) -> None:
        """Start it, again after :meth:`close` or :meth:`kill`."""
        self.process = subprocess.Popen(
            [
                *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"),
                *("--log-level=error", "--load=module-native-protocol-unix"),
                "--load=module-null-sink sink_name=ears rate=48000 channels=2",
                "--load=module-null-sink sink_name=alarm rate=48000 channels=2",
            ],
            env=self.env,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(100):
            found = subprocess.run(
                ["pactl", "list", "short", "sinks"], env=self.env, capture_output=True, text=True
            )
            if "alarm" in found.stdout:
                break
            time.sleep(0.05)
        else:
            raise SystemExit("pulseaudio did not start")
        # An idle sink works seconds at a time, and its monitor's times are as coarse: silence
        # played into it all the time keeps it at small steps.
        self.silence = subprocess.Popen(
            [
                *("pacat", "--playback", "--raw", "-d", "alarm", "--latency-msec=10"),
                *("--rate=48000", "--channels=2", "--format=s16le", "/dev/zero"),
            ],
            env=self.env,
            stderr=subprocess.DEVNULL,
        )
        self.ears = Monitor("ears", self.env) if self._record else None
        self.alarm = Monitor("alarm", self.env) if self._record else None

    def kill(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.close()

    def close(self) -> None:
        for monitor in (self.ears, self.alarm):
            if monitor is not None:
                monitor.process.terminate()
                monitor.process.wait(5)
        for process in (self.silence, self.process):
            process.terminate()
            process.wait(5)
