"""The ear trainer, played by listeners that hear nothing but the samples."""

import json
import os
import pty
import sys
import termios

import numpy as np
import pytest
from typer.testing import CliRunner

from sonar.audio.cues.phrases import HIGHEST_NUMBER, PHRASES
from sonar.audio.synthesis import Mixer
from sonar.cli.root import app
from sonar.clock import ManualClock
from sonar.config import AudioConfig, SpeechConfig
from sonar.lab.simulate import ear
from sonar.lab.simulate.ear import ANSWER_S, MOST_REPLAYS, EarStage, EarTrainer
from sonar.lab.simulate.ear_scenes import BANDS, HEIGHTS, SceneMaker
from sonar.testing.audio import CollectSink, ToneSpeaker
from sonar.types import SIDES, Band, CueKind, Height, Side

RATE = 48000
AUDIO = AudioConfig(volume_db=0.0)


class Game:
    """A trainer with a sink in memory; ``listener(game)`` gives each key."""

    def __init__(self, listener, questions=2, seed=5, audio=AUDIO):
        self.clock, self.announced, self.played, self.waited_s = ManualClock(), [], [], []
        mixer = Mixer(audio, SpeechConfig(), ToneSpeaker(RATE, seconds=0.1), stale_s=3600.0)
        self.sink = CollectSink(mixer)
        self.sink.start()
        stage = EarStage(mixer, self.sink, self.clock, ToneSpeaker(RATE), self.announced.append)
        play = stage.play

        def noted(exercise):
            begin = len(self.sink.samples)
            play(exercise)
            self.played.append((exercise, self.sink.samples[begin:]))

        stage.play = noted

        def keys(timeout_s):
            self.waited_s.append(timeout_s)
            return listener(self)

        self.trainer = EarTrainer(SceneMaker(audio, seed), stage, keys, questions, seed)
        self.score = self.trainer.run()


def level_difference_db(samples):
    power = np.square(samples.astype(np.float64)).sum(axis=0)
    return 10 * np.log10(power[0] / power[1])


def pulses_a_second(samples):
    """0 for a tone without pauses."""
    loud = np.abs(samples).max(axis=1).reshape(-1, 240).max(axis=1) > 1e-3
    begins = np.flatnonzero(np.diff(loud.astype(int)) == 1)
    if begins.size < 2:
        return 0.0
    return float((begins.size - 1) / (begins[-1] - begins[0]) / 0.005)


class KeenEar:
    """Answers what is asked from the samples alone: level for side, rate for distance."""

    def __init__(self):
        self.lesson, self.step = None, 0

    def __call__(self, game):
        lesson = [
            t for t in game.announced if t.startswith(("ear sides", "ear distances", "ear both"))
        ]
        heights = any(t.startswith("ear heights") for t in game.announced)
        samples = game.played[-1][1][: 25 * RATE // 10]
        name = lesson[-1].split()[1]
        if name == "distances" and heights:
            return str(1 + HEIGHTS.index(game.played[-1][0].height))
        if name == "both":
            self.step += 1
            name = "sides" if self.step % 2 else "distances"
        if name == "sides":
            difference = level_difference_db(samples)
            return "1" if difference > 10 else "3" if difference < -10 else "2"
        rate = pulses_a_second(samples)
        return "4" if rate == 0.0 else "3" if rate > 3.9 else "2" if rate > 1.9 else "1"


@pytest.fixture(scope="module")
def keen():
    return Game(KeenEar(), questions=3)


def test_who_hears_the_level_and_the_rate_gets_everything_right(keen):
    score = keen.score
    assert score.finished
    assert (score.sides.right, score.sides.asked) == (6, 6)
    assert (score.distances.right, score.distances.asked) == (6, 6)
    assert (score.heights.right, score.heights.asked) == (2, 2)


def test_everything_announced_is_said_and_it_ends_with_the_score(keen):
    assert keen.announced[-4:] == [
        *("ear sides number 6 ear of number 6", "ear distances number 6 ear of number 6"),
        *("ear heights number 2 ear of number 2", "ear end"),
    ]
    assert keen.announced[0] == "ear begin"
    assert "ear press number 4 band stop" in keen.announced
    assert keen.announced.count("ear right") == 14


def test_no_scene_gives_its_answer_away_in_words_and_danger_is_heard(keen):
    cues = [cue for _, cue in keen.sink.cues]
    assert not any(cue.phrase for cue in cues)
    assert sum(cue.earcon == "drop_off" for cue in cues) >= 10
    assert any(cue.kind is CueKind.CONTINUOUS for cue in cues)


def test_somebody_who_always_says_left_and_far_scores_what_that_is_worth():
    game = Game(lambda game: "1", questions=2)
    asked = [e for e, _ in game.played]
    assert game.score.finished
    assert game.score.sides.asked == game.score.distances.asked == 4
    assert game.score.sides.right < 4
    wrong = [t for t in game.announced if t.startswith("ear wrong")]
    rights = sum(t.right for t in (game.score.sides, game.score.distances, game.score.heights))
    assert len(wrong) == 4 + 4 + 1 - rights
    assert len(asked) == 3 + 4 + 3 + 2 + (2 + 2 + 1 + 2) + len(wrong)  # wrong: heard again


@pytest.mark.parametrize("key", ["q", ""])
def test_ended_early_it_still_ends_with_the_score(key):
    keys = iter(["2", key])
    game = Game(lambda game: next(keys), questions=2)
    assert not game.score.finished
    assert game.score.sides.asked == 1
    assert game.announced[-1] == "ear end"
    assert game.announced[-2].endswith("ear of number 1")


def test_space_and_no_answer_play_it_again_but_not_for_ever():
    keys = iter([" ", " ", "x", "5", *[None] * 99])
    game = Game(lambda game: next(keys), questions=1)
    assert not game.score.finished
    exercises = [e for e, _ in game.played]
    assert exercises.count(exercises[-1]) == 1 + 2 + MOST_REPLAYS
    assert set(game.waited_s) == {ANSWER_S}


def test_the_same_seed_asks_the_same():
    def asked(seed):
        maker = SceneMaker(AUDIO, seed)
        return maker.exercise(Side.LEFT, Band.NEAR)

    assert asked(1) == asked(1)
    assert asked(1) != asked(2)


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("side", SIDES)
def test_every_scene_that_may_be_asked_can_be_made(side, band):
    made = SceneMaker(AUDIO, 3).exercise(side, band)
    assert (made.side, made.band, made.height) == (side, band, Height.BODY)
    assert made.cues[0][0] == 0.0
    assert made.cues[-1][0] == pytest.approx(2.4)


@pytest.mark.parametrize("scheme", ["continuous", "scan"])
def test_the_other_schemes_can_be_learned_too(scheme):
    audio = AUDIO.model_copy(update={"scheme": scheme})
    cues = [cue for _, cue in SceneMaker(audio, 3).exercise(Side.RIGHT, Band.NEAR).cues]
    wanted = CueKind.SCAN if scheme == "scan" else CueKind.CONTINUOUS
    assert any(cue.kind is wanted for cue in cues)


def test_every_word_of_it_is_a_phrase():
    assert {f"number_{n}" for n in range(HIGHEST_NUMBER + 1)} <= PHRASES.keys()


# -- the command ---------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch):
    """The command's sink in memory, its clock by hand."""
    monkeypatch.setattr("sonar.clock.SystemClock", ManualClock)
    monkeypatch.setattr(
        "sonar.audio.output.device.open_sink", lambda config, mixer, clock: CollectSink(mixer)
    )


def test_the_command_reports_the_score_and_ends_with_the_input(offline, monkeypatch):
    reader, writer = os.pipe()
    os.write(writer, b"222")
    os.close(writer)
    with os.fdopen(reader) as stdin:
        keys = ear.single_keys

        def piped():
            monkeypatch.setattr(sys, "stdin", stdin)
            return keys()

        monkeypatch.setattr(ear, "single_keys", piped)
        words = ["--json", "--set", "speech.enabled=false", "train-ear", "--seed", "4"]
        result = CliRunner().invoke(app, [*words, "--questions", "4"])
    assert result.exception is None
    report = json.loads(result.stdout)
    assert report["sides"]["asked"] == 3
    assert not report["finished"]
    assert "Ear training" in result.stderr
    assert "Training over" in result.stderr


def test_without_any_input_it_ends_at_once_after_the_first_lesson(offline):
    result = CliRunner().invoke(app, ["--set", "speech.enabled=false", "train-ear"])
    assert result.exception is None
    assert result.stdout.splitlines()[-1] == "Training over"


def test_keys_come_singly_from_a_terminal_and_it_is_put_back(monkeypatch):
    mine, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    with os.fdopen(theirs) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(RuntimeError), ear.single_keys() as key:
            assert key(0.0) is None
            os.write(mine, b"3Q")
            assert [key(5.0), key(5.0)] == ["3", "q"]
            raise RuntimeError("on purpose")
        assert termios.tcgetattr(theirs) == before
    os.close(mine)
