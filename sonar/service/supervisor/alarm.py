"""The supervisor's own way to be heard: a player process for each sound.

Nothing is shared with the guide, neither process nor stream, and what hangs in a sound server
hangs in the player.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from sonar.service import priority
from sonar.threads import is_realtime, realtime

if TYPE_CHECKING:
    from sonar.ports import Clock

HANG_S = 1.5  # a player may take this much longer than its sound

Log = Callable[..., None]
Sounds = Mapping[str, tuple[int, float]]  # by name: number of the open WAV file, seconds


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
        """How long it lasts."""

    def busy(self) -> bool:
        """Still sounding. Call often: players that failed or hang are replaced here."""

    def stop(self) -> None:
        """Silence at once."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class _Player:
    """A process that plays ``name``; it hangs when it runs at ``deadline_s``."""

    name: str
    command: Sequence[str]
    process: "subprocess.Popen[bytes]"
    deadline_s: float

    def kill(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.5)


def players(device: str | None) -> list[list[str]]:
    """Commands that play the file appended to them, the likeliest first."""
    found = [["aplay", "-q", "-D", device]] if device else []
    found += [["paplay"], ["pw-play"], ["aplay", "-q"]]
    ready = [command for command in found if shutil.which(command[0])]
    # PortAudio in a process of its own: sonar needs it anyway, the others may not be installed.
    return [*ready, [sys.executable, "-m", "sonar.service.supervisor.play"]]


class PlayerAlarm:
    """Plays through the first command that works; see :func:`players`.

    Args:
        sounds: by the names of :func:`sonar.service.supervisor.sounds.render`.
        commands: as :func:`players` gives them.
    """

    def __init__(
        self, clock: "Clock", sounds: Sounds, commands: Sequence[Sequence[str]], log: Log
    ) -> None:
        self.played = 0
        self._clock = clock
        self._sounds = sounds
        self._commands = [list(command) for command in commands]
        self._log = log
        self._playing: _Player | None = None
        self._ending: list[_Player] = []  # followed by another, not yet through
        self._tried = 0  # players tried for the present sound

    def play(self, name: str) -> None:
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
        """How long it lasts; 0 for what there is not."""
        found = self._find(name)
        return 0.0 if found is None else found[1]

    def busy(self) -> bool:
        first = self._commands[0]
        self._ending = [player for player in self._ending if not self._is_through(player)]
        player = self._playing
        if player is None:
            return False
        if self._commands[0] is not first and player.command == first:
            player.kill()  # it hangs as the one before it did
            self._begin(player.name)
        elif self._is_through(player):
            self._playing = None
            if player.process.returncode != 0:
                # All of them once, then this sound is given up.
                self._tried += 1
                if self._tried < len(self._commands):
                    self._begin(player.name)
        return self._playing is not None

    def stop(self) -> None:
        for player in (self._playing, *self._ending):
            if player is not None:
                player.kill()
        self._playing = None
        self._ending.clear()

    def close(self) -> None:
        self.stop()

    def _is_through(self, player: _Player) -> bool:
        """Whether it ended, well or not; one that failed or hangs is not tried first any more."""
        code = player.process.poll()
        if code is None and self._clock.now() < player.deadline_s:
            return False
        if code == 0:
            self.played += 1
            return True
        player.kill()
        why = "hangs" if code is None else f"failed with code {code}"
        self._log("alarm_player", level="warning", player=player.command[0], problem=why)
        if player.command == self._commands[0]:
            self._commands.append(self._commands.pop(0))
        return True

    def _find(self, name: str) -> tuple[int, float] | None:
        """The sound; "failing" where "failing:KEY" is not there, since words may be missing."""
        return self._sounds.get(name) or self._sounds.get(name.partition(":")[0])

    def _begin(self, name: str) -> None:
        self._playing = None
        found = self._find(name)
        if found is None:
            return
        fd, seconds = found
        for _ in self._commands:
            command = self._commands[0]
            try:
                process = subprocess.Popen(
                    [*command, f"/proc/self/fd/{fd}"],
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
                realtime(priority.REALTIME, process.pid)
            self._playing = _Player(name, command, process, self._clock.now() + seconds + HANG_S)
            return
