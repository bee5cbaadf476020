"""One line of words in, done on the controls, one line of words out."""

from collections.abc import Callable, Sequence

from sonar.audio.cues import SCHEMES, VERBOSITIES
from sonar.controls.controls import Controls

VOLUME_STEP_DB = 3.0
USAGE = (
    "mute; volume up, down or a number of dB to add; "
    f"verbosity {', '.join(VERBOSITIES)} or next; scheme {', '.join(SCHEMES)} or next; "
    "describe; repeat; view; keep; quit"
)

Do = Callable[[str], str]


class Commands:
    """Calls :class:`~sonar.controls.controls.Controls` by words; from any thread.

    The answer begins with ``ok`` or ``refused``. What cannot be understood is refused by sound
    too, so that a wrong button is noticed.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def __call__(self, line: str) -> str:
        """``line``: a command and at most one word to it, whatever the case."""
        words = line.lower().split()
        match words:
            case ["mute"]:
                return "ok muted" if self._controls.toggle_mute() else "ok sound on"
            case ["volume", amount]:
                return self._volume(amount)
            case ["scheme", name]:
                wanted = _after(self._controls.scheme, SCHEMES) if name == "next" else name
                return self._answer(self._controls.set_scheme(wanted), f"scheme {wanted}")
            case ["verbosity", name]:
                wanted = _after(self._controls.verbosity, VERBOSITIES) if name == "next" else name
                return self._answer(self._controls.set_verbosity(wanted), f"verbosity {wanted}")
            case ["describe"]:
                sentence = self._controls.describe()
                return f"ok {sentence}" if sentence else "refused nothing was seen yet"
            case ["repeat"]:
                key = self._controls.repeat()
                return f"ok {key}" if key else "ok nothing to repeat"
            case ["view"]:  # for a helper's eyes, so it makes no sound
                return f"ok {self._controls.look()}"
            case ["keep"]:
                kept = self._controls.keep()
                return "ok keeping the recording" if kept else "refused nothing is recorded"
            case ["quit"]:
                self._controls.quit()
                return "ok stopping"
        self._controls.refuse()
        return f"refused; sonar knows: {USAGE}"

    def _volume(self, amount: str) -> str:
        steps = {"up": VOLUME_STEP_DB, "down": -VOLUME_STEP_DB}
        try:
            step_db = steps.get(amount) or float(amount)
        except ValueError:
            step_db = float("nan")
        if not abs(step_db) <= 100.0:
            self._controls.refuse()
            return "refused; say: volume up, volume down, or a number of dB to add"
        return f"ok volume {self._controls.change_volume(step_db):g} dB"

    def _answer(self, done: bool, what: str) -> str:
        return f"ok {what}" if done else f"refused; sonar knows: {USAGE}"


def _after(name: str, names: Sequence[str]) -> str:
    return names[(names.index(name) + 1) % len(names)]
