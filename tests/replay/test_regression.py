"""Regression of what is heard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonar.config import SpeechConfig
from sonar.errors import ConfigError, SourceError
from sonar.records import Event
from sonar.replay.expect import Expectation, known_words, unmet, words_of
from sonar.replay.regression import compare, read_checks, read_events

Side = Literal["left", "center", "right"]


def cue(t: float, why: str, side: Side | None = "left", name: str = "pulse") -> Event:
    return Event(t=t, frame=0, kind="cue", name=name, side=side, why=why)


def said(t: float, key: str, text: str, side: Side = "left") -> Event:
    return Event(t=t, frame=0, kind="speech", name=key, side=side, text=text)


RUN = [
    cue(0.0, "clear", None, "silence"),
    cue(1.0, "far, left, 3.5 m"),
    cue(3.0, "close, left, 1.1 m"),
    said(3.1, "close_left", "Close left"),
    cue(5.0, "clear", None, "silence"),
    cue(7.0, "near, right, 2.0 m", "right"),
]


def test_the_same_run_has_no_differences() -> None:
    assert compare(RUN, RUN) == []


@given(st.lists(st.floats(-0.4, 0.4), min_size=len(RUN), max_size=len(RUN)))
def test_small_shifts_are_tolerated(shifts: list[float]) -> None:
    moved = [e.model_copy(update={"t": e.t + s}) for e, s in zip(RUN, shifts, strict=True)]
    assert compare(RUN, moved) == []


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (lambda run: run[:2] + run[3:], "missing", "close"),
        (lambda run: [*run, cue(9.0, "stop, center", "center")], "extra", "stop"),
        (lambda run: [*run[:5], cue(8.2, "near, right", "right")], "late", "7.00"),
        (lambda run: [*run[:5], cue(6.2, "near, right", "right")], "early", "7.00"),
        (lambda run: [*run[:5], cue(7.0, "near, left", "left")], "other side", "right"),
        (lambda run: [e for e in run if e.kind != "speech"], "missing", "Close left"),
    ],
)
def test_each_kind_of_difference_is_named(change, kind: str, words: str) -> None:
    found = compare(RUN, change(list(RUN)))
    assert [d.kind for d in found] == [kind]
    assert words in str(found[0])


def read_expectations(file: Path) -> Sequence[Expectation]:
    return read_checks(["a"], None, file).wanted["a"]


def expectations(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "expect.yaml"
    file.write_text(text)
    return unmet(read_expectations(file), RUN)


@pytest.mark.parametrize(
    "sentence",
    [
        "between 3 s and 5 s: close, left",
        "between 2.5 and 3.5 s: speech, close",
        "between 4 s and 4.5 s: close",  # it goes on since 3 s
        "between 5.5 s and 6 s: silence",
        "never between 0 s and 10 s: stop",
        "never between 5.2 s and 6.8 s: pulse",
    ],
)
def test_what_is_heard_meets_expectations(tmp_path: Path, sentence: str) -> None:
    assert expectations(tmp_path, f"- {sentence}\n") == []
    assert expectations(tmp_path, f'expect:\n  - "{sentence}"\n') == []


@pytest.mark.parametrize(
    "sentence",
    [
        "between 3 s and 5 s: close, right",
        "between 0 s and 2 s: close",
        "never between 0 s and 10 s: far",
        "between 5.5 s and 6 s: pulse",
    ],
)
def test_what_is_not_heard_is_reported_with_what_was(tmp_path: Path, sentence: str) -> None:
    (failed,) = expectations(tmp_path, f"- {sentence}\n")
    assert sentence.split(":")[1].strip() in failed and "heard:" in failed


def test_a_run_in_which_nothing_sounds(tmp_path: Path) -> None:
    file = tmp_path / "expect.yaml"
    file.write_text("- between 0 s and 1 s: close\n- never between 0 s and 1 s: stop\n")
    (failed,) = unmet(read_expectations(file), [])
    assert failed.endswith("heard: nothing")
    assert [d.kind for d in compare(RUN, [])] == ["missing"] * 4 and compare([], []) == []


@pytest.mark.parametrize(
    "text",
    [
        "- soon: close\n",
        "nonsense",
        "- between 5 s and 3 s: close\n",
        "[",
        "",
        "- between 1 s and 2 s: ,",
        "{}",
        "expect: {}",
    ],
)
def test_sentences_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"expect\.yaml"):
        expectations(tmp_path, text)


def test_folders_that_hold_no_run(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        read_events(tmp_path)
    (tmp_path / "events.jsonl").write_text("{}\n")
    with pytest.raises(SourceError):
        read_events(tmp_path)
    (tmp_path / "events.jsonl").write_text("".join(e.model_dump_json() + "\n" for e in RUN))
    assert read_events(tmp_path) == RUN


@pytest.mark.parametrize(
    ("sentence", "wrong", "right"),
    [
        ("never between 0 s and 9 s: stpo", "stpo", "stop"),
        ("between 0 s and 9 s: banana, center", "banana", None),
        ("never between 0 s and 9 s: close, lefft", "lefft", "left"),
        ("between 0 s and 9 s: close left please", "close left please", "close left"),
    ],
)
def test_a_word_that_names_nothing_is_an_error_with_the_nearest(
    tmp_path: Path, sentence: str, wrong: str, right: str | None
) -> None:
    with pytest.raises(ConfigError, match=f"called '{wrong}'; the nearest is '{right or ''}"):
        expectations(tmp_path, f"- {sentence}\n")


def test_every_word_of_an_event_may_be_named(tmp_path: Path) -> None:
    words = [word for event in RUN for word in words_of(event) if word]
    file = tmp_path / "expect.yaml"
    file.write_text("".join(f'- "between 0 s and 9 s: {word}"\n' for word in words))
    assert [one.words for one in read_expectations(file)] == [(word,) for word in words]
    own = tmp_path / "own.yaml"
    own.write_text("phrases:\n  stop: Halt\n")
    assert "halt" in known_words(SpeechConfig(language=str(own)))
    assert "halt" not in known_words(SpeechConfig())
