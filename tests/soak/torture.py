"""Kill the guide at random moments and prove that it was heard, restarted and cost no file.

    scripts/torture CLIP [--kills 200] [--seed 1] [--out out/torture]

The real supervisor runs the real guide over a looped clip and a real (private) PulseAudio
server. What the supervisor's players play is recorded from a sink of their own, and the guide
notes each cue of guiding with its time. A silent failure is more than a second between the two
kinds: no cue was handed over, and nothing was heard from the supervisor. Loading is no guidance.
Linux; needs pulseaudio, parec and paplay.
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path

import numpy as np

from sonar.service.guide import recorder
from sonar.service.supervisor.sounds import in_memory, render
from tests.soak.private_pulse import RATE_HZ, Server
from tests.soak.silence import BLOCK_S, gaps, guidance, sounding

HIGHEST = -15
AHEAD_S = 0.2  # a null sink works ahead by up to this: its monitor may be early, never late
SILENT_S = 1.0  # longer without guidance and without a failure sound is a silent failure


# What C libraries print, and the stacks that a guide writes when the supervisor ends it as hung.
NOT_JSON = (
    *("ALSA lib", "Expression ", "PaAlsa", "underrun"),
    *("Fatal Python error: Aborted", "Thread 0x", "Current thread 0x", "  File ", "  <no Python"),
    *("  ...", "Extension modules:"),
)


class Log:
    """The log of supervisor and guide as it comes; every line must be JSON."""

    def __init__(self, stream, file) -> None:
        self.events: list[tuple[float, dict]] = []
        self.bad: list[str] = []
        self.changed = threading.Condition()
        threading.Thread(target=self._read, args=(stream, file), daemon=True).start()

    def _read(self, stream, file) -> None:
        stacks_until = 0.0
        for raw in stream:
            now = time.monotonic()
            file.write(raw)
            text = raw.decode("utf-8", "replace").rstrip("\n")
            if not text:
                continue
            try:
                event = json.loads(text)
            except ValueError:
                if text.startswith("Fatal Python error: Aborted"):  # its stacks follow, in pieces
                    stacks_until = now + 1.0
                if now > stacks_until and not text.startswith(NOT_JSON):
                    self.bad.append(text)
                continue
            with self.changed:
                self.events.append((now, event))
                self.changed.notify_all()

    def last(self, name: str) -> tuple[float, dict] | None:
        with self.changed:
            return next(((t, e) for t, e in reversed(self.events) if e["event"] == name), None)

    def wait(self, name: str, after: float, limit_s: float) -> tuple[float, dict] | None:
        deadline = time.monotonic() + limit_s
        with self.changed:
            while True:
                found = next(
                    (
                        (t, e)
                        for t, e in self.events
                        if t > after and e["event"] == name and e["from"] == "supervisor"
                    ),
                    None,
                )
                left = deadline - time.monotonic()
                if found is not None or left <= 0:
                    return found
                self.changed.wait(left)


def check_files(ring: Path) -> tuple[int, list[str]]:
    """Every part opens and decodes, every record line is JSON."""
    import av

    bad, count = [], 0
    for part in recorder.parts(ring):
        count += 1
        records = part / recorder.FRAMES
        if records.exists():
            for line in records.read_bytes().split(b"\n")[:-1]:
                try:
                    json.loads(line)
                except ValueError:
                    bad.append(f"{records}: {line[:60]!r}")
        video = part / recorder.VIDEO
        frames = 0
        try:
            with av.open(str(video)) as container:
                for _ in container.decode(video=0):
                    frames += 1
        except (av.FFmpegError, IndexError) as error:
            if not frames:  # cut off before its first frame
                continue
            bad.append(f"{video} ({video.stat().st_size} bytes): {error}")
    return count, bad


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("clip")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--signal", choices=("KILL", "STOP", "SEGV"), default="KILL")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--within", type=float, default=4.0, help="seconds between two, at most")
    parser.add_argument("--out", type=Path, default=Path("out/torture"))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    # A sound server is heard in time on a busy machine too; so is the one that stands in for it.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, HIGHEST)
    print(f"niceness {os.getpriority(os.PRIO_PROCESS, 0)}", file=sys.stderr)
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="sonar-torture-") as name:
        folder = Path(name)
        server = Server(folder)
        try:
            return torture(arguments, rng, folder, server)
        finally:
            server.close()


def torture(arguments, rng: random.Random, folder: Path, server: Server) -> int:
    recordings = folder / "recordings"
    sounds = in_memory(render("en"))
    settings = {
        "sounds": sounds,
        "command": (
            sys.executable,
            str(Path(__file__).with_name("rehearsal.py")),
            arguments.clip,
            f"--notes={folder / 'notes'}",
            "service.recording.enabled=true",
            f"service.recording.folder={recordings}",
        ),
        "limits": {"alarm_after_s": 0.6, "restarts": 100, "restart_window_s": 2.0},
    }
    log_path = arguments.out / "log.jsonl"
    kills = []
    with log_path.open("wb") as log_file:
        process = subprocess.Popen(
            [sys.executable, "-m", "sonar.service.supervisor.runner", json.dumps(settings)],
            pass_fds=[fd for fd, _ in sounds.values()],
            env=server.env,
            stderr=subprocess.PIPE,
        )
        log = Log(process.stderr, log_file)
        assert log.wait("guiding", 0.0, 60) is not None, "it never guided"
        for number in range(arguments.kills):
            started = log.last("started")
            if (
                arguments.signal == "STOP" or number % 2
            ):  # a stop while loading ends after start_timeout_s
                log.wait("guiding", started[0], 60)
            time.sleep(
                rng.uniform(0.0, arguments.within)
            )  # while loading, while guiding, just after a kill
            started = log.last("started")
            guiding = log.last("guiding")
            assert started is not None
            was_guiding = guiding is not None and guiding[0] > started[0]
            newest = max(
                (p.stat().st_mtime for p in (recordings / "ring").rglob("*.jsonl")), default=0.0
            )
            unlogged_s = time.time() - newest if was_guiding else None
            with contextlib.suppress(ProcessLookupError):  # between two lives is a moment too
                os.kill(started[1]["pid"], signal.Signals[f"SIG{arguments.signal}"])
            killed = time.monotonic()
            again = log.wait("started", killed, 10)
            kills.append((killed, was_guiding, unlogged_s, None if again is None else again[0]))
            if sys.stderr.isatty() or number % 20 == 19:
                print(f"{number + 1} kills", file=sys.stderr, flush=True)
        back = log.wait("guiding", kills[-1][0], 60)
        time.sleep(2.0)
        stopping = time.monotonic()
        process.terminate()
        code = process.wait(10)
        stop_s = time.monotonic() - stopping
        time.sleep(0.5)
    count, bad = check_files(recordings / "ring")
    files = (count, bad)
    posts = guidance(folder / "notes")
    return report(arguments, server, log, kills, back, (code, stop_s), files, posts)


def report(arguments, server, log, kills, back, end, files, posts) -> int:
    assert server.alarm is not None
    samples, times = server.alarm.heard()
    alarms = sounding(samples, times)
    began, ended = kills[0][0], back[0] if back is not None else kills[-1][0] + 60.0
    found = [
        gaps(np.concatenate([alarms + ahead_s, posts]), began, ended) for ahead_s in (0.0, AHEAD_S)
    ]
    pauses = max(found, key=lambda each: max(length for _, length in each))  # the worse of both
    silent = [(when, length) for when, length in pauses if length > SILENT_S]
    first = []
    for killed, was_guiding, *_ in kills:
        later = alarms[alarms[:, 0] + AHEAD_S >= killed, 0] + AHEAD_S
        if was_guiding and later.size:
            first.append(float(later[0]) - killed)
    guided = sorted(t for t, e in log.events if e["event"] == "guiding")
    still = []  # how long the alarm was still heard once the guide guided
    for t in guided:
        killed = min((k[0] for k in kills if k[0] > t), default=ended)
        after = alarms[(alarms[:, 1] > t) & (alarms[:, 0] < killed), 1]
        still.append(float(after.max()) - t if after.size else 0.0)
    restarts = [k[3] - k[0] for k in kills if k[3] is not None]
    lost = [k[2] for k in kills if k[2] is not None]
    summary = {
        "signal": arguments.signal,
        "kills": len(kills),
        "while_guiding": sum(k[1] for k in kills),
        "restarted": len(restarts),
        "alarm_heard_after_s": quantiles(first),
        "pauses_without_guidance_or_alarm_s": quantiles([length for _, length in pauses]),
        "alarm_s": round(len(alarms) * BLOCK_S, 1),
        "alarm_still_heard_for_s": quantiles(still),
        "watched_s": round(ended - began, 1),
        "silent_failures": len(silent),
        "silent_for_s": [round(length, 3) for _, length in silent],
        "started_again_after_s": quantiles(restarts),
        "record_lost_s": quantiles(lost),
        "recording_parts": files[0],
        "corrupt_files": files[1],
        "log_lines": len(log.events),
        "log_lines_not_json": log.bad[:5],
        "guiding_at_the_end": back is not None,
        "stop_s": round(end[1], 3),
        "exit_code": end[0],
    }
    text = json.dumps(summary, indent=2)
    (arguments.out / "summary.json").write_text(text + "\n")
    for when, length in silent:
        print(f"silent for {length:.3f} s from {when:.3f}; the log around it:", file=sys.stderr)
        for killed, *_ in kills:
            if when - 3.0 < killed < when + length:
                print(f"  {killed - when:+.3f} killed", file=sys.stderr)
        near = alarms[(alarms[:, 0] > when - 2.0) & (alarms[:, 0] < when + length + 1.0)]
        print(f"  alarm in {[round(float(t) - when, 2) for t in near[:, 0]]}", file=sys.stderr)
        for t, event in log.events:
            if when - 1.0 < t < when + length + 0.5:
                print(f"  {t - when:+.3f} {json.dumps(event)[:200]}", file=sys.stderr)
    for name, monitor in (("alarm", server.alarm), ("ears", server.ears)):
        with wave.open(str(arguments.out / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes((monitor.heard()[0] * 32767).astype(np.int16).tobytes())
    print(text)
    good = (
        not summary["silent_failures"]
        and not files[1]
        and not log.bad
        and back is not None
        and end[0] == 0
        and end[1] <= 2.0
        and len(restarts) == len(kills)
    )
    return 0 if good else 1


def quantiles(values) -> dict[str, float]:
    if not values:
        return {}
    array = np.array(values)
    return {
        "median": round(float(np.median(array)), 3),
        "p95": round(float(np.percentile(array, 95)), 3),
        "max": round(float(array.max()), 3),
    }
