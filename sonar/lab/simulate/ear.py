"""The ear trainer: an audio game that teaches what the sounds mean, and scores it.

Everything is said, and told as text beside it; the only input is single keys. Nothing here knows
a terminal or a sound card.
"""

import random
from collections.abc import Callable, Sequence
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

Keys = Callable[[float], str | None]
"""Gives the next key; None after that many seconds without one, "" when there will be no more."""


@dataclass
class Tally:
    """How many answers were right."""

    right: int = 0
    asked: int = 0

    def note(self, right: bool) -> None:
        self.asked += 1
        self.right += right


@dataclass
class Score:
    """What the listener got right. ``finished`` is False when it was ended early."""

    sides: Tally = field(default_factory=Tally)
    distances: Tally = field(default_factory=Tally)
    heights: Tally = field(default_factory=Tally)
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What is asked: the phrase of each answer, in the order of the keys 1, 2, 3..."""

    answers: tuple[str, ...]

    def key_of(self, answer: str) -> str:
        return str(self.answers.index(answer) + 1)


_HEIGHT_KEYS = {Height.FLOOR: "ear_low", Height.BODY: "ear_body", Height.HEAD: "ear_head"}
WHICH_SIDE = Choice(tuple(f"side_{side}" for side in SIDES))
HOW_NEAR = Choice(tuple(f"band_{band}" for band in BANDS))
HOW_HIGH = Choice(tuple(_HEIGHT_KEYS[height] for height in HEIGHTS))


class Ended(Exception):
    """The listener has had enough, or there are no more keys."""


class EarStage:
    """Sound and words, one after the other.

    Args:
        mixer, sink: the sink renders that mixer and is started and closed by the caller.
        clock: waits; live sinks render meanwhile.
        speaker: the words of phrases.
        tell: takes a line of text.
    """

    def __init__(
        self,
        mixer: Mixer,
        sink: AudioSink,
        clock: Clock,
        speaker: Speaker,
        tell: Callable[[str], None],
    ) -> None:
        self._mixer, self._sink, self._clock = mixer, sink, clock
        self._speaker, self._tell = speaker, tell
        self._t = 0.0

    def say(self, *phrases: str, earcon: str | None = None) -> None:
        """Say and tell; returns when it has been said."""
        self._tell(self.text(*phrases))
        self._mixer.announce(earcon, *phrases)
        self._pass(_STEP_S)
        begun = self._t
        while self._mixer.busy and self._t - begun < _LONGEST_TALK_S:
            self._pass(_STEP_S)

    def text(self, *phrases: str) -> str:
        """Phrases as a line."""
        return " ".join(self._speaker.text(phrase) for phrase in phrases)

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
            self._stage.say("ear_begin")
            self._sides()
            self._distances()
            if self._maker.scheme != "continuous":  # its pitch tells nearness, not height
                self._heights()
            self._dangers()
            self._both()
            self.score.finished = True
        except Ended:
            pass
        self._tell_score()
        return self.score

    def _sides(self) -> None:
        self._lesson(
            "ear_sides",
            [(f"side_{side}", self._maker.exercise(side, Band.CLOSE)) for side in SIDES],
            WHICH_SIDE,
        )
        for _ in range(self._questions):
            exercise = self._any((Band.NEAR, Band.CLOSE))
            self._ask(exercise, [(WHICH_SIDE, f"side_{exercise.side}", self.score.sides)])

    def _distances(self) -> None:
        examples = [(f"band_{band}", self._maker.exercise(Side.CENTER, band)) for band in BANDS]
        self._lesson("ear_distances", examples, HOW_NEAR)
        for _ in range(self._questions):
            exercise = self._any(BANDS)
            self._ask(exercise, [(HOW_NEAR, f"band_{exercise.band}", self.score.distances)])

    def _heights(self) -> None:
        examples = [
            (_HEIGHT_KEYS[height], self._maker.exercise(Side.CENTER, Band.NEAR, height))
            for height in HEIGHTS
        ]
        self._lesson("ear_heights", examples, HOW_HIGH)
        for _ in range((self._questions + 1) // 2):
            height = self._random.choice(HEIGHTS)
            exercise = self._maker.exercise(self._random.choice(SIDES), Band.NEAR, height)
            self._ask(exercise, [(HOW_HIGH, _HEIGHT_KEYS[height], self.score.heights)])

    def _dangers(self) -> None:
        """Heard, not asked: nobody is to guess at a danger."""
        self._stage.say("ear_dangers", "ear_listen")
        self._stage.play(self._maker.approach())
        self._stage.say("stop")
        self._stage.play(self._maker.drop())
        self._stage.say("drop")

    def _both(self) -> None:
        self._stage.say("ear_both")
        for _ in range(self._questions):
            exercise = self._any(BANDS)
            self._ask(
                exercise,
                [
                    (WHICH_SIDE, f"side_{exercise.side}", self.score.sides),
                    (HOW_NEAR, f"band_{exercise.band}", self.score.distances),
                ],
            )

    def _any(self, bands: Sequence[Band]) -> Exercise:
        return self._maker.exercise(self._random.choice(SIDES), self._random.choice(bands))

    def _lesson(self, name: str, examples: list[tuple[str, Exercise]], choice: Choice) -> None:
        self._stage.say(name, "ear_listen")
        for phrase, exercise in examples:
            self._stage.say(phrase)
            self._stage.play(exercise)
        for phrase in choice.answers:
            self._stage.say("ear_press", f"number_{choice.key_of(phrase)}", phrase)
        self._stage.say("ear_again")

    def _ask(self, exercise: Exercise, questions: list[tuple[Choice, str, Tally]]) -> None:
        self._stage.say("ear_turn")
        self._stage.play(exercise)
        for choice, answer, tally in questions:
            right = self._key(exercise, choice) == choice.key_of(answer)
            tally.note(right)
            if right:
                self._stage.say("ear_right", earcon="confirm")
            else:
                self._stage.say("ear_wrong", answer, earcon="refused")
                self._stage.play(exercise)

    def _key(self, exercise: Exercise, choice: Choice) -> str:
        """The number that was pressed. Raises Ended."""
        allowed = [choice.key_of(answer) for answer in choice.answers]
        replays = 0
        while True:
            key = self._keys(ANSWER_S)
            if key in allowed:
                return str(key)
            if key in ("", QUIT) or replays >= MOST_REPLAYS:
                raise Ended
            if key is None or key == AGAIN:
                replays += key is None
                self._stage.play(exercise)

    def _tell_score(self) -> None:
        for name in ("sides", "distances", "heights"):
            tally: Tally = getattr(self.score, name)
            if tally.asked:
                self._stage.say(
                    f"ear_{name}", f"number_{tally.right}", "ear_of", f"number_{tally.asked}"
                )
        self._stage.say("ear_end")
