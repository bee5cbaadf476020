"""What a walker may change while sonar runs; every command answers with a sound."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from sonar.audio.cues import SCHEMES, VERBOSITIES, PulseMapper, describe, describe_keys
from sonar.audio.synthesis import Mixer
from sonar.controls import COMMANDS

if TYPE_CHECKING:
    from sonar.controls.view import RunView

QUIETEST_DB, LOUDEST_DB = -40.0, 12.0
VOLUME_STEPS_DB = {"up": 3.0, "down": -3.0}
NOT_RECORDED = "refused nothing is recorded"

Name = TypeVar("Name", bound=str)


class Controls:
    """Commands for one run. Call it with a line of words, from any thread.

    The answer is one line that begins with ``ok`` or ``refused``. What cannot be understood is
    refused by sound too, so that a wrong button is noticed. ``stop`` ends the run with its goodbye.

    Attributes:
        quitting: the walker ended the run.
        on_keep: keeps the recording of the last minutes and answers by sound; None where nothing
            is recorded; the service sets it.
    """

    def __init__(
        self,
        mixer: Mixer,
        mapper: PulseMapper,
        volume_db: float,
        stop: Callable[[], None] = lambda: None,
        view: "RunView | None" = None,
    ) -> None:
        self.mixer, self.mapper, self.volume_db = mixer, mapper, volume_db
        self._stop, self._view = stop, view
        self.quitting = False
        self.on_keep: Callable[[], bool] | None = None

    def __call__(self, line: str) -> str:
        """Do ``line``: a command and at most one word to it, in upper or lower case."""
        match line.lower().split():
            case ["mute"]:
                self.mixer.muted = not self.mixer.muted  # dangers are heard all the same
                muted = self.mixer.muted
                self.mixer.announce("confirm", "control_muted" if muted else "control_unmuted")
                return "ok muted" if muted else "ok sound on"
            case ["volume", amount]:
                return self._change_volume(amount)
            case ["scheme", name]:
                scheme = _choose(name, SCHEMES, self.mapper.scheme)
                if scheme is not None:
                    self.mapper.scheme = scheme
                    self.mixer.announce("confirm", f"control_scheme_{scheme}")
                    return f"ok scheme {scheme}"
            case ["verbosity", name]:
                verbosity = _choose(name, VERBOSITIES, self.mapper.verbosity)
                if verbosity is not None:
                    self.mapper.verbosity = verbosity
                    self.mixer.announce("confirm", f"control_verbosity_{verbosity}")
                    return f"ok verbosity {verbosity}"
            case ["describe"]:  # side by side with distances
                scene = self.mapper.last_scene
                if scene is None:
                    return self.refuse("refused nothing was seen yet")
                self.mixer.announce("confirm", *describe_keys(scene))
                return f"ok {describe(scene)}"
            case ["repeat"]:
                key = self.mapper.last_phrase
                self.mixer.announce("confirm", key or "control_nothing_to_repeat")
                return f"ok {key or 'nothing to repeat'}"
            case ["view"]:  # for a helper's eyes, so it makes no sound
                return "ok {}" if self._view is None else f"ok {self._view.answer(self)}"
            case ["keep"]:
                if self.on_keep is None:
                    return self.refuse(NOT_RECORDED)
                return "ok keeping the recording" if self.on_keep() else NOT_RECORDED
            case ["quit"]:
                self.quitting = True
                self.mixer.announce("confirm")
                self._stop()
                return "ok stopping"
        return self.refuse(f"refused; sonar knows: {COMMANDS}")

    def refuse(self, answer: str = "refused") -> str:
        """``answer`` to what cannot be done; it sounds as refused."""
        self.mixer.announce("refused")
        return answer

    def announce_speech_lost(self) -> None:
        """Sound that speech is gone; the tones go on."""
        self.mixer.announce("degraded", "unknown_speech_lost")

    def _change_volume(self, amount: str) -> str:
        try:
            step_db = VOLUME_STEPS_DB.get(amount) or float(amount)
        except ValueError:
            step_db = float("nan")
        if not abs(step_db) <= 100.0:
            return self.refuse("refused; say: volume up, volume down, or a number of dB to add")
        wanted_db = self.volume_db + step_db
        self.volume_db = min(max(wanted_db, QUIETEST_DB), LOUDEST_DB)
        self.mixer.set_volume_db(self.volume_db)
        if self.volume_db == wanted_db:
            self.mixer.announce("confirm")  # its loudness is the answer
        else:
            self.mixer.announce("refused", "control_volume_limit")
        return f"ok volume {self.volume_db:g} dB"


def _choose(name: str, names: Sequence[Name], present: Name) -> Name | None:
    """The one of ``names`` that is meant, ``next`` for the one after ``present``, or None."""
    if name == "next":
        return names[(names.index(present) + 1) % len(names)]
    return next((known for known in names if known == name), None)
