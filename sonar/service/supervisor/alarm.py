"""The supervisor's own way to be heard: a player process for each sound.

What hangs in a sound server hangs in the player. The first sound of a failure is short, so that it
is heard at once and a player that hangs is soon found out. Longer ones follow, each several sirens,
the cause in words among them. Their players start a second before they are due: on a busy machine
it is starting a player that takes long.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sonar.threads import realtime

if TYPE_CHECKING:
    from sonar.ports import Clock

REALTIME = 1  # of 1 to 99: before ordinary work, after the guide's sound
HANG_S = 1.5  # a player may take this much longer than its sound
LEAD_S = 1.0  # of silence before the sirens of "failing"
PAUSE_S = 0.2  # between the end of one and the next
FAREWELLS = 3  # how often it is played

Sounds = Mapping[str, tuple[int, float]]  # by name: number of the open WAV file, seconds
# PortAudio in a process of its own: sonar needs it anyway, the others may not be installed.
_LAST_RESORT = """
import sys
from pathlib import Path
from sonar.audio.output.device import play_wav
from sonar.config import AudioConfig
play_wav(Path(sys.argv[1]), AudioConfig())
"""


@dataclass(frozen=True)
class _Player:
    """A process that plays ``name``, the ``tries``-th for it; at ``deadline_s`` it hangs."""

    name: str
    tries: int
    command: Sequence[str]
    process: "subprocess.Popen[bytes]"
    deadline_s: float


def players(device: str | None) -> list[list[str]]:
    """Commands that play the file appended to them, the likeliest first."""
    found = [["aplay", "-q", "-D", device]] if device else []
    found += [["paplay"], ["pw-play"], ["aplay", "-q"]]
    ready = [command for command in found if shutil.which(command[0])]
    return [*ready, [sys.executable, "-c", _LAST_RESORT]]


class Alarm:
    """Sounds failures (``on``) until it is to be quiet. Call :meth:`step` often.

    ``sounds`` are by the names of :func:`sonar.service.supervisor.sounds.render`, ``commands`` as
    :func:`players` gives them; one that fails is not tried first any more.
    """

    def __init__(
        self,
        clock: "Clock",
        sounds: Sounds,
        commands: Sequence[Sequence[str]],
        log: Callable[..., None],
    ) -> None:
        self.on = False
        self._clock, self._sounds, self._log = clock, sounds, log
        self._commands = list(commands)
        self._players: list[_Player] = []  # the oldest first
        self._words, self._due_s = "", 0.0
        self._farewells = 0  # still to be played
        self._heard = False

    @property
    def playing(self) -> bool:
        """Whether something has not come to its end."""
        return bool(self._players or self._farewells)

    def begin(self, words: str = "") -> None:
        """Sound the failure at once, if it does not sound already; ``words`` name the cause."""
        self._words = words or self._words
        if not self.on:
            self.on = True
            self._due_s = self._clock.now()
            self._play("failed")

    def farewell(self, words: str) -> None:
        """Falling tones and words, three times."""
        self.quiet()
        self._words, self._farewells = words, FAREWELLS

    def quiet(self) -> None:
        """Silence at once."""
        for player in self._players:
            _kill(player.process)
        self._players.clear()
        self.on, self._words, self._farewells = False, "", 0

    def step(self) -> None:
        """Replace players that failed, and sound what is due."""
        now = self._clock.now()
        for player in [*self._players]:
            code = player.process.poll()
            if player in self._players and (code is not None or now >= player.deadline_s):
                self._ended(player, code)
        if self.on and now >= self._due_s:
            # By the time it takes, not by its player's end, which comes later.
            self._due_s = now + self._play("failing") + PAUSE_S - LEAD_S
        elif self._farewells and not self._players:
            self._farewells -= 1
            self._play("gave_up")

    def was_heard(self) -> bool:
        """Whether a sound was played to its end since the last call."""
        heard, self._heard = self._heard, False
        return heard

    def _ended(self, player: _Player, code: int | None) -> None:
        at = self._players.index(player)
        if code == 0:
            self._heard = True
            del self._players[at]
            return
        why = "hangs" if code is None else f"failed with code {code}"
        self._log("alarm_player", level="warning", player=player.command[0], problem=why)
        if player.command == self._commands[0]:
            self._commands.append(self._commands.pop(0))
        # Those that began after it by the same command would fail as it did.
        stuck = [p for p in self._players[at:] if p.command == player.command]
        for one in stuck:
            _kill(one.process)
            self._players.remove(one)
            if one.tries < len(self._commands):  # by each command once, then it is given up
                self._play(one.name, one.tries + 1)

    def _play(self, name: str, tries: int = 1) -> float:
        """Start a player, without words where those are missing; the sound's length in seconds."""
        fd, seconds = self._sounds.get(f"{name}:{self._words}") or self._sounds[name]
        for _ in self._commands:
            command = self._commands[0]
            with contextlib.suppress(OSError):
                process = self._start(command, fd)
                deadline_s = self._clock.now() + seconds + HANG_S
                self._players.append(_Player(name, tries, command, process, deadline_s))
                break
            self._commands.append(self._commands.pop(0))
        return seconds

    def _start(self, command: Sequence[str], fd: int) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            [*command, f"/proc/self/fd/{fd}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(fd,),
            start_new_session=True,
        )
        realtime(REALTIME, process.pid)
        return process


def _kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
