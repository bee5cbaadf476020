"""What a walker may change while sonar runs; every command answers with a sound.

Whoever reads keys, buttons or a socket calls these methods, from any thread.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sonar.audio.cues import (
    SCHEMES,
    VERBOSITIES,
    PulseMapper,
    Scheme,
    Verbosity,
    describe,
    describe_keys,
)
from sonar.audio.synthesis import Mixer

if TYPE_CHECKING:
    from sonar.controls.view import RunView

QUIETEST_DB, LOUDEST_DB = -40.0, 12.0


class Controls:
    """Commands for one run.

    Args:
        mixer, mapper: of that run.
        volume_db: the volume it started with; the present one as an attribute.
        stop: ends the run in order, with its goodbye.
        view: what there is to see and hear at present, or None.

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
        self._mixer, self._mapper, self._stop, self._view = mixer, mapper, stop, view
        self.volume_db = volume_db
        self.quitting = False
        self.on_keep: Callable[[], bool] | None = None

    def look(self) -> str:
        """What there is to see and hear at present, as one line of JSON; see :class:`RunView`."""
        return "{}" if self._view is None else self._view.answer(self)

    @property
    def muted(self) -> bool:
        """Whether the sound is off; dangers are heard all the same."""
        return self._mixer.muted

    def toggle_mute(self) -> bool:
        """Sound off, or on again; returns whether it is off. Dangers are heard all the same."""
        self._mixer.muted = not self._mixer.muted
        self._mixer.announce("confirm", "control_muted" if self._mixer.muted else "control_unmuted")
        return self._mixer.muted

    def change_volume(self, step_db: float) -> float:
        """Louder or softer by ``step_db``, within -40 to 12 dB; returns the new volume."""
        wanted_db = self.volume_db + step_db
        self.volume_db = min(max(wanted_db, QUIETEST_DB), LOUDEST_DB)
        self._mixer.set_volume_db(self.volume_db)
        if self.volume_db == wanted_db:
            self._mixer.announce("confirm")  # its loudness is the answer
        else:
            self._mixer.announce("refused", "control_volume_limit")
        return self.volume_db

    def refuse(self) -> None:
        """Sound the answer to a command that does not exist."""
        self._mixer.announce("refused")

    def keep(self) -> bool:
        """Keep the recording of the last minutes; False where there is none."""
        if self.on_keep is None:
            self._mixer.announce("refused")
            return False
        return self.on_keep()

    def tell_speech_lost(self) -> None:
        """Sound that speech is gone; the tones go on."""
        self._mixer.announce("degraded", "unknown_speech_lost")

    def quit(self) -> None:
        """End the run; its "stopped" is the answer."""
        self.quitting = True
        self._mixer.announce("confirm")
        self._stop()

    @property
    def scheme(self) -> Scheme:
        """The one in use."""
        return self._mapper.scheme

    @property
    def verbosity(self) -> Verbosity:
        """How much is said at present."""
        return self._mapper.verbosity

    def set_scheme(self, scheme: str) -> bool:
        """One of :data:`sonar.audio.cues.SCHEMES`; False for another name."""
        known: dict[str, Scheme] = {name: name for name in SCHEMES}
        if scheme not in known:
            self._mixer.announce("refused")
            return False
        self._mapper.scheme = known[scheme]
        self._mixer.announce("confirm", f"control_scheme_{scheme}")
        return True

    def set_verbosity(self, verbosity: str) -> bool:
        """``danger``, ``normal`` or ``chatty``; False for another name."""
        known: dict[str, Verbosity] = {name: name for name in VERBOSITIES}
        if verbosity not in known:
            self._mixer.announce("refused")
            return False
        self._mapper.verbosity = known[verbosity]
        self._mixer.announce("confirm", f"control_verbosity_{verbosity}")
        return True

    def describe(self) -> str:
        """What is around: said, side by side with distances, and returned as one sentence."""
        scene = self._mapper.last_scene
        if scene is None:
            self._mixer.announce("refused")
            return ""
        self._mixer.announce("confirm", *describe_keys(scene))
        return describe(scene)

    def repeat(self) -> str | None:
        """The last phrase once more; returns its key, None where nothing was said yet."""
        key = self._mapper.last_phrase
        self._mixer.announce("confirm", key or "control_nothing_to_repeat")
        return key
