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
from typing import TYPE_CHECKING, Protocol

from sonar.service import phrases, sounds

if TYPE_CHECKING:
    from sonar.ports import Clock

HANG_S = 1.5  # a player may take this much longer than its sound
_SPEAK_LIMIT_S = 5.0

Log = Callable[..., None]


class Alarm(Protocol):
    """Where failures are sounded.

    Attributes:
        played: sounds that were played to their end.
    """

    played: int

    def play(self, name: str) -> None:
        """Begin one sound, replacing what sounds; returns at once."""

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
    return [*ready, [sys.executable, "-m", "sonar.service.play"]]


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
        self._playing: tuple[str, subprocess.Popen[bytes], float] | None = None
        self._tried = 0  # players tried for the present sound
        if speak and words:
            threading.Thread(
                target=self._render, args=(list(speak), dict(words)), name="phrases", daemon=True
            ).start()

    def play(self, name: str) -> None:
        """``name``: "failed" (one siren), "failing" (several), "failing:KEY" (with a phrase among
        them, without while it is not rendered), "gave_up", or "say:KEY" (the phrase alone, silent
        while not rendered)."""
        self.stop()
        self._tried = 0
        self._begin(name)

    def has(self, name: str) -> bool:
        """Whether there is something to play by this name."""
        with self._lock:
            return name in self._files

    def busy(self) -> bool:
        if self._playing is None:
            return False
        name, process, deadline_s = self._playing
        code = process.poll()
        if code is None and self._clock.now() < deadline_s:
            return True
        self._playing = None
        if code == 0:
            self.played += 1
            return False
        why = "hangs" if code is None else f"failed with code {code}"
        _kill(process)
        self._log("alarm_player", level="warning", player=self._commands[0][0], problem=why)
        # The next one first from now on; all of them once, then this sound is given up.
        self._commands.append(self._commands.pop(0))
        self._tried += 1
        if self._tried < len(self._commands):
            self._begin(name)
        return self._playing is not None

    def stop(self) -> None:
        if self._playing is not None:
            _kill(self._playing[1])
            self._playing = None

    def close(self) -> None:
        self.stop()
        with self._lock:
            for fd, _ in self._files.values():
                os.close(fd)
            self._files.clear()

    def _begin(self, name: str) -> None:
        with self._lock:
            found = self._files.get(name) or self._files.get(name.partition(":")[0])
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


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
