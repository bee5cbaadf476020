"""When the alarm sounds: about once a second, its cause in words now and then, and the end.

The first is short, so that it is heard at once and a player that hangs is soon found out. Longer
ones follow, several sirens and the words in one, each with its player started a second before it is
due: on a busy machine it is starting a player that takes long.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sonar.service.supervisor.alarm import Alarm

LEAD_S = 1.0  # of silence before the sirens of "failing"
PAUSE_S = 0.2  # between the end of one and the next
SAY_EVERY_S = 8.0  # the cause in words, between the alarms
GAVE_UP_TIMES = 3
FAREWELL_S = 20.0  # the longest, whatever the players do


class Siren:
    """Sounds failures through an alarm until it is to be quiet. Times are the clock's seconds.

    Attributes:
        on: the failure is being sounded.
        say: key of the words that give the cause, None for tones only.
    """

    def __init__(self, alarm: "Alarm") -> None:
        self.on = False
        self.say: str | None = None
        self._alarm = alarm
        self._due_s = self._say_due_s = 0.0
        self._heard = 0
        self._farewells = 0
        self._farewell_ends_s = 0.0

    def begin(self, now: float) -> None:
        """Sound the failure at once, if it does not sound already."""
        if not self.on:
            self.on = True
            self._due_s = self._say_due_s = now + self._alarm.seconds("failed") + PAUSE_S - LEAD_S
            self._alarm.play("failed")

    def quiet(self) -> None:
        """A guide guides."""
        self.on, self.say = False, None
        self._alarm.stop()

    def step(self, now: float) -> None:
        """Sound what is due."""
        if not self.on:
            return
        self._alarm.busy()  # players that fail are replaced
        if now < self._due_s:
            return
        name = "failing"
        if self.say is not None and now >= self._say_due_s:
            self._say_due_s = now + SAY_EVERY_S
            name = f"failing:{self.say}"
        # By the time it takes, not by its player's end, which comes later.
        self._due_s = now + self._alarm.seconds(name) + PAUSE_S - LEAD_S
        self._alarm.follow(name)

    def was_heard(self) -> bool:
        """Whether a sound was played to its end since the last call."""
        heard, self._heard = self._heard, self._alarm.played
        return self._heard != heard

    def begin_farewell(self, say: str, now: float) -> None:
        """Falling tones and the words ``say``, three times; go on with :meth:`farewell`."""
        self.say = say
        self._farewells, self._farewell_ends_s = 0, now + FAREWELL_S
        self._alarm.play("gave_up")

    def farewell(self, now: float) -> bool:
        """The next of it when that is due; True once it is over."""
        if self._alarm.busy() and now < self._farewell_ends_s:
            return False
        self._farewells += 1
        if self._farewells >= 2 * GAVE_UP_TIMES or now >= self._farewell_ends_s:
            return True
        self._alarm.play("gave_up" if self._farewells % 2 == 0 else f"say:{self.say}")
        return False
