"""The ear trainer: an audio game that teaches what the sounds mean, and scores it.

Everything is spoken, and printed beside it; the only input is single keys. The game itself knows no
terminal and no sound card.
"""

import contextlib
import os
import random
import select
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from sonar.audio.synthesis import SILENCE, Mixer
from sonar.lab.simulate.ear_scenes import BANDS, HEIGHTS, Exercise, SceneMaker
from sonar.ports import AudioSink, Clock, Speaker
from sonar.types import SIDES, Band, Height, Side

AGAIN, QUIT = " ", "q"
ANSWER_S = 20.0  # then it is played again
MOST_REPLAYS = 5
_STEP_S = 0.05
_LONGEST_TALK_S = 15.0
_HEIGHT_KEYS = {Height.FLOOR: "ear_low", Height.BODY: "ear_body", Height.HEAD: "ear_head"}
# What is asked: the phrase of each answer, in the order of the keys 1, 2, 3...
ANSWERS = {
    "sides": tuple(f"side_{side}" for side in SIDES),
    "distances": tuple(f"band_{band}" for band in BANDS),
    "heights": tuple(_HEIGHT_KEYS[height] for height in HEIGHTS),
}

Keys = Callable[[float], str | None]
"""Gives the next key; None after that many seconds without one, "" when there will be no more."""


@dataclass
class Tally:
    """How many answers were right."""

    right: int = 0
    asked: int = 0


@dataclass
class Score:
    """What the listener got right. ``finished`` is False when it was ended early."""

    sides: Tally = field(default_factory=Tally)
    distances: Tally = field(default_factory=Tally)
    heights: Tally = field(default_factory=Tally)
    finished: bool = False


class _Ended(Exception):
    """The listener has had enough, or there are no more keys."""


class EarStage:
    """Sound and words, one after the other.

    Args:
        mixer, sink: the sink renders that mixer and is started and closed by the caller.
        clock: waits; live sinks render meanwhile.
        speaker: the words of phrases.
        show: takes a line of text.
    """

    def __init__(
        self,
        mixer: Mixer,
        sink: AudioSink,
        clock: Clock,
        speaker: Speaker,
        show: Callable[[str], None],
    ) -> None:
        self._mixer, self._sink, self._clock = mixer, sink, clock
        self._speaker, self._show = speaker, show
        self._t = 0.0

    def say(self, *phrases: str, earcon: str | None = None) -> None:
        """Speak and show; returns when it has been spoken."""
        self._show(" ".join(self._speaker.text(phrase) for phrase in phrases))
        self._mixer.announce(earcon, *phrases)
        self._pass(_STEP_S)
        begun = self._t
        while self._mixer.busy and self._t - begun < _LONGEST_TALK_S:
            self._pass(_STEP_S)

    def play(self, exercise: Exercise) -> None:
        """Play it from its beginning; returns after a short silence."""
        begun = self._t
        for t, cue in exercise.cues:
            self._pass(begun + t - self._t)
            self._sink.post(cue)
        self._pass(0.1)
        self._sink.post(SILENCE)
        self._pass(0.4)

    def _pass(self, seconds: float) -> None:
        if seconds > 0.0:
            self._clock.sleep(seconds)
            self._t += seconds
            self._sink.advance(self._t)


class EarTrainer:
    """The lessons, in order.

    Args:
        maker: of the scenes.
        stage: where they are heard.
        keys: the listener's answers.
        questions: in each of the lessons that ask for side and distance; half as many for height.
        seed: of what is asked.
    """

    def __init__(
        self, maker: SceneMaker, stage: EarStage, keys: Keys, questions: int, seed: int
    ) -> None:
        self._maker, self._stage, self._keys = maker, stage, keys
        self._questions = questions
        self._random = random.Random(seed)
        self.score = Score()

    def run(self) -> Score:
        """All lessons, about ten minutes with 8 questions; ends with the score, always."""
        try:
            self._lessons()
            self.score.finished = True
        except _Ended:
            pass
        for name in ANSWERS:
            tally: Tally = getattr(self.score, name)
            if tally.asked:
                counts = (f"number_{tally.right}", "ear_of", f"number_{tally.asked}")
                self._stage.say(f"ear_{name}", *counts)
        self._stage.say("ear_end")
        return self.score

    def _lessons(self) -> None:
        make = self._maker.exercise
        self._stage.say("ear_begin")
        self._examples("sides", [make(side, Band.CLOSE) for side in SIDES])
        for _ in range(self._questions):
            self._ask(self._any((Band.NEAR, Band.CLOSE)), "sides")
        self._examples("distances", [make(Side.CENTER, band) for band in BANDS])
        for _ in range(self._questions):
            self._ask(self._any(BANDS), "distances")
        if self._maker.audio.scheme != "continuous":  # its pitch means nearness
            self._examples("heights", [make(Side.CENTER, Band.NEAR, h) for h in HEIGHTS])
            for _ in range((self._questions + 1) // 2):
                self._ask(self._any((Band.NEAR,), HEIGHTS), "heights")
        # Dangers are heard, not asked: nobody is to guess at one.
        self._stage.say("ear_dangers", "ear_listen")
        self._stage.play(self._maker.approach())
        self._stage.say("stop")
        self._stage.play(self._maker.drop())
        self._stage.say("drop")
        self._stage.say("ear_both")
        for _ in range(self._questions):
            self._ask(self._any(BANDS), "sides", "distances")

    def _any(self, bands: Sequence[Band], heights: Sequence[Height] = (Height.BODY,)) -> Exercise:
        pick = self._random.choice
        return self._maker.exercise(pick(SIDES), pick(bands), pick(heights))

    def _examples(self, name: str, examples: Sequence[Exercise]) -> None:
        self._stage.say(f"ear_{name}", "ear_listen")
        for phrase, exercise in zip(ANSWERS[name], examples, strict=True):
            self._stage.say(phrase)
            self._stage.play(exercise)
        for number, phrase in enumerate(ANSWERS[name], 1):
            self._stage.say("ear_press", f"number_{number}", phrase)
        self._stage.say("ear_again")

    def _ask(self, exercise: Exercise, *names: str) -> None:
        """Play an exercise and ask for each of ``names`` (of :data:`ANSWERS`) in it."""
        truth = {
            "sides": f"side_{exercise.side}",
            "distances": f"band_{exercise.band}",
            "heights": _HEIGHT_KEYS[exercise.height],
        }
        self._stage.say("ear_turn")
        self._stage.play(exercise)
        for name in names:
            right = self._answer(exercise, ANSWERS[name]) == truth[name]
            tally: Tally = getattr(self.score, name)
            tally.asked += 1
            tally.right += right
            if right:
                self._stage.say("ear_right", earcon="confirm")
            else:
                self._stage.say("ear_wrong", truth[name], earcon="refused")
                self._stage.play(exercise)

    def _answer(self, exercise: Exercise, answers: Sequence[str]) -> str:
        """The phrase whose number was pressed. Raises _Ended."""
        by_key = {str(number): phrase for number, phrase in enumerate(answers, 1)}
        replays = 0
        while True:
            key = self._keys(ANSWER_S)
            if key in by_key:
                return by_key[key]
            if key in ("", QUIT) or replays >= MOST_REPLAYS:
                raise _Ended
            if key is None or key == AGAIN:
                replays += key is None
                self._stage.play(exercise)


@contextlib.contextmanager
def single_keys() -> Iterator[Keys]:
    """The next key of standard input: None after so many seconds, "" when no more will come."""
    try:
        file = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # none, closed, or replaced
        file = -1

    def read(timeout_s: float) -> str | None:
        if file < 0:
            return ""
        if not select.select([file], [], [], timeout_s)[0]:
            return None
        return os.read(file, 1).decode("ascii", "replace").lower()

    before = termios.tcgetattr(file) if file >= 0 and os.isatty(file) else None
    try:
        if before is not None:
            tty.setcbreak(file, termios.TCSADRAIN)
        yield read
    finally:
        if before is not None:
            with contextlib.suppress(termios.error):  # the terminal was closed meanwhile
                termios.tcsetattr(file, termios.TCSADRAIN, before)
