"""The supervisor's own way to be heard: a player process for each sound.

Nothing is shared with the guide, neither process nor stream, and what hangs in a sound server
hangs in the player. Sounds lie in memory (memfd): a full disk or a lost folder does not mute
them.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Protocol

from sonar.service import priority
from sonar.service.supervisor import phrases, sounds
from sonar.threads import is_realtime, realtime, run_briefly

if TYPE_CHECKING:
    from sonar.ports import Clock

HANG_S = 1.5  # a player may take this much longer than its sound
_SPEAK_LIMIT_S = 5.0

Log = Callable[..., None]
Playing = tuple[str, "subprocess.Popen[bytes]", float]  # name, player, when it hangs


class Alarm(Protocol):
    """Where failures are sounded.

    Attributes:
        played: sounds that were played to their end.
    """

    played: int

    def play(self, name: str) -> None:
        """Begin one sound, replacing what sounds; returns at once."""

    def follow(self, name: str) -> None:
        """Begin one sound and let the one before come to its end; returns at once."""

    def seconds(self, name: str) -> float:
        """How long it sounds."""

    def busy(self) -> bool:
        """Still sounding. Call often: players that failed or hang are replaced here."""

    def stop(self) -> None:
        """Silence at once."""

    def close(self) -> None: ...


def players(device: str | None) -> list[list[str]]:
    """Commands that play the file appended to them, the likeliest first."""
    named = ["-D", device] if device else []
    found = [["aplay", "-q", *named]] if device else []
    found += [["paplay"], ["pw-play"], ["aplay", "-q"]]
    ready = [command for command in found if shutil.which(command[0])]
    # PortAudio in a process of its own: sonar needs it anyway, the others may not be installed.
    return [*ready, [sys.executable, "-m", "sonar.service.supervisor.play"]]


class PlayerAlarm:
    """Plays through the first command that works; see :func:`players`.

    Args:
        volume_db: level, at most 0.
        commands: as :func:`players` gives them.
        speak: the espeak-ng command for phrases, or None; tones never wait for it.
    """

    def __init__(
        self,
        clock: "Clock",
        volume_db: float,
        commands: Sequence[Sequence[str]],
        log: Log,
        speak: Sequence[str] | None = None,
        words: Mapping[str, str] | None = None,
    ) -> None:
        self.played = 0
        self._clock = clock
        self._volume_db = volume_db
        self._commands = [list(command) for command in commands]
        self._log = log
        self._files: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        for name in sounds.PATTERNS:
            self._store(name, sounds.pattern(name), sounds.RATE_HZ)
        self._store("failing", sounds.failing(), sounds.RATE_HZ)
        self._playing: Playing | None = None
        self._ending: list[Playing] = []  # followed by another, not yet through
        self._tried = 0  # players tried for the present sound
        if speak and words:
            run_briefly("phrases", partial(self._render, list(speak), dict(words)))

    def play(self, name: str) -> None:
        """``name``: "failed" (one siren), "failing" (several), "failing:KEY" (with a phrase among
        them, without while it is not rendered), "gave_up", or "say:KEY" (the phrase alone, silent
        while not rendered)."""
        self.stop()
        self._tried = 0
        self._begin(name)

    def follow(self, name: str) -> None:
        """As :meth:`play`, but what sounds is left to end: a player takes a while to be gone, and
        the next to be heard."""
        if self._playing is not None:
            self._ending.append(self._playing)
            self._playing = None
        self._tried = 0
        self._begin(name)

    def seconds(self, name: str) -> float:
        """How long it sounds; 0 for what there is not."""
        with self._lock:
            found = self._find(name)
        return 0.0 if found is None else found[1]

    def has(self, name: str) -> bool:
        """Whether there is something to play by this name."""
        with self._lock:
            return name in self._files

    def busy(self) -> bool:
        first = self._commands[0]
        self._ending = [playing for playing in self._ending if not self._is_through(playing)]
        if self._playing is None:
            return False
        name, process, deadline_s = self._playing
        if self._commands[0] is not first and _command(process) == first:
            _kill(process)  # it hangs as the one before it did
            self._begin(name)
            return self._playing is not None
        code = process.poll()
        if code is None and self._clock.now() < deadline_s:
            return True
        ended, self._playing = self._playing, None
        self._is_through(ended)
        if code == 0:
            return False
        # All of them once, then this sound is given up.
        self._tried += 1
        if self._tried < len(self._commands):
            self._begin(name)
        return self._playing is not None

    def stop(self) -> None:
        for playing in (self._playing, *self._ending):
            if playing is not None:
                _kill(playing[1])
        self._playing = None
        self._ending.clear()

    def close(self) -> None:
        self.stop()
        with self._lock:
            for fd, _ in self._files.values():
                os.close(fd)
            self._files.clear()

    def _is_through(self, playing: Playing) -> bool:
        """Whether it ended, well or not; one that failed or hangs is not tried first any more."""
        _, process, deadline_s = playing
        code = process.poll()
        if code is None and self._clock.now() < deadline_s:
            return False
        if code == 0:
            self.played += 1
            return True
        _kill(process)
        why = "hangs" if code is None else f"failed with code {code}"
        used = _command(process)
        self._log("alarm_player", level="warning", player=used[0], problem=why)
        if used == self._commands[0]:
            self._commands.append(self._commands.pop(0))
        return True

    def _find(self, name: str) -> tuple[int, float] | None:
        return self._files.get(name) or self._files.get(name.partition(":")[0])

    def _begin(self, name: str) -> None:
        with self._lock:
            found = self._find(name)
        if found is None:
            return
        fd, seconds = found
        for _ in range(len(self._commands)):
            try:
                process = subprocess.Popen(
                    [*self._commands[0], f"/proc/self/fd/{fd}"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=(fd,),
                    start_new_session=True,
                )
            except OSError:
                self._commands.append(self._commands.pop(0))
                continue
            priority.give_child(process.pid, below=0)
            if is_realtime():
                realtime(priority.URGENT, process.pid)
            self._playing = (name, process, self._clock.now() + seconds + HANG_S)
            return

    def _store(self, name: str, samples: Sequence[float], rate_hz: int) -> None:
        fd = os.memfd_create(f"sonar-{name}", os.MFD_CLOEXEC)
        os.write(fd, sounds.wav(samples, self._volume_db, rate_hz))
        with self._lock:
            self._files[name] = (fd, len(samples) / rate_hz)

    def _render(self, speak: list[str], words: dict[str, str]) -> None:
        """Phrases, in a thread of their own; without espeak-ng there are tones only."""
        for key, text in words.items():
            try:
                done = subprocess.run(
                    [*speak, text], capture_output=True, timeout=_SPEAK_LIMIT_S, check=True
                )
                samples, rate_hz = sounds.samples_of(done.stdout)
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                self._log("alarm_speech", level="warning", problem=type(error).__name__)
                return
            peak = max((abs(sample) for sample in samples), default=0.0) or 1.0
            spoken = [sample / peak for sample in samples]
            self._store(f"say:{key}", spoken, rate_hz)
            self._store(f"failing:{key}", sounds.failing(spoken, rate_hz), rate_hz)


def system_alarm(
    clock: "Clock", volume_db: float, device: str | None, language: str, log: Log
) -> PlayerAlarm:
    """The alarm of this machine."""
    speak = None
    if shutil.which("espeak-ng"):
        speak = ["espeak-ng", "--stdout", "-s", "180", "-v", phrases.voice(language)]
    return PlayerAlarm(clock, volume_db, players(device), log, speak, phrases.texts(language))


def _command(process: "subprocess.Popen[bytes]") -> list[str]:
    """As in :func:`players`: without the file."""
    return list(process.args)[:-1] if isinstance(process.args, list) else []


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
