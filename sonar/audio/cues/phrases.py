"""Every phrase sonar can say: the one list that catalogues, mapper and mixer share.

A catalogue (``catalogues/*.yaml``) gives each key its words; a key that is not here is never
said, and a key that a catalogue lacks is an error there. At the default rate none may last
longer than :data:`LONGEST_S` once rendered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sonar.types import SIDES, Band, Priority, Reason, Side

LONGEST_S = 1.2  # seconds; longer than that, and the walker is past it

Verbosity = Literal["danger", "normal", "chatty"]
VERBOSITIES: tuple[Verbosity, ...] = ("danger", "normal", "chatty")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A phrase that can be said.

    Attributes:
        key: its name in catalogues, cues and events.
        meaning: what the listener must understand; English, for translators.
        priority: a higher one cuts off a lower one; equals wait.
        verbosity: the least at which it is said.
        expires_s: seconds after its cause beyond which it is dropped, not said.
        side: where it is heard from; None is the middle.
    """

    key: str
    meaning: str
    priority: Priority
    verbosity: Verbosity
    expires_s: float
    side: Side | None = None


_WHERE = {Side.LEFT: "on the left", Side.CENTER: "straight ahead", Side.RIGHT: "on the right"}

REASON_TEXTS: Mapping[Reason, str] = MappingProxyType(
    {
        Reason.STALE: "no new frames come",
        Reason.SOURCE_LOST: "the camera is gone",
        Reason.DEPTH_FAILED: "depth failed",
        Reason.DARK: "it is too dark",
        Reason.GLARE: "the light blinds the camera",
        Reason.BLURRED: "the frame is blurred",
        Reason.COVERED: "the lens is covered",
        Reason.BLANK: "there is only a blank surface",
        Reason.FROZEN: "the frame is frozen",
        Reason.NO_GROUND: "no ground in view, distances are guesses",
        Reason.AUDIO_LOST: "the sound device was lost",
        Reason.SPEECH_LOST: "speech was lost",
    }
)

_STATES = {
    "state_loading": "starting up",
    "state_ready": "ready to guide",
    "state_guiding": "sees again, after it could not",
    "state_degraded": "does not see well, cause not known",
    "state_stopped": "has stopped: no guidance from now on",
    "state_battery_low": "the battery is low",
    "state_hot": "too hot: fewer frames per second",
    "state_slow": "the processor is too slow: fewer frames per second",
    "state_memory_low": "memory is short: recording pauses",
}

_CALIBRATION = {
    "calibrate_begin": "face a free way ahead: an empty corridor, an open floor",
    "calibrate_hold": "recording now: stand, or walk slowly",
    "calibrate_good": "done, the camera's angles are well known",
    "calibrate_poor": "done, but the angles are only roughly known: better do it again",
    "calibrate_failed": "no floor was found: nothing was written",
}

_CONTROLS = {
    "control_muted": "sound is off now",
    "control_unmuted": "sound is on again",
    "control_volume": "this is the new volume",
    "control_volume_limit": "the volume cannot go further",
    "control_verbosity_danger": "only dangers are spoken from now on",
    "control_verbosity_normal": "normal amount of speech from now on",
    "control_verbosity_chatty": "much is spoken from now on",
    "control_scheme_pulse": "pulses from now on",
    "control_scheme_continuous": "a continuous tone from now on",
    "control_scheme_scan": "scans from now on",
    "control_scheme_quiet": "quiet: speech and dangers only from now on",
    "control_nothing_to_repeat": "nothing was said yet that could be repeated",
}

HIGHEST_NUMBER = 20

_EAR = {
    "ear_begin": "the training of the ear begins",
    "ear_sides": "lesson and score: from which side",
    "ear_distances": "lesson and score: how near",
    "ear_heights": "lesson and score: how high",
    "ear_dangers": "lesson: the dangers",
    "ear_both": "lesson: side and distance together",
    "ear_listen": "an example follows",
    "ear_turn": "a question follows",
    "ear_press": "the keys follow: a number, and what it means",
    "ear_again": "the space bar plays it again",
    "ear_right": "the answer was right",
    "ear_wrong": "the answer was wrong, the right one follows",
    "ear_low": "low, on the floor",
    "ear_body": "at the height of the body",
    "ear_head": "at the height of the head",
    "ear_of": "between two numbers: so many of so many",
    "ear_end": "the training is over",
}

DISTANCES_M: tuple[float, ...] = tuple(step / 2 for step in range(1, 13))  # 0.5 .. 6.0


def distance_key(distance_m: float) -> str:
    """The key for a distance, rounded to half a metre within 0.5 to 6 m.

    >>> distance_key(1.4)
    'metres_1_5'
    """
    step = min(max(round(distance_m * 2), 1), 2 * int(DISTANCES_M[-1]))
    return f"metres_{step // 2}_{5 if step % 2 else 0}"


def _all() -> list[Phrase]:
    danger, warning, info = Priority.DANGER, Priority.WARNING, Priority.INFO
    found = [
        Phrase("stop", "stop at once: an obstacle straight ahead", danger, "danger", 0.8),
        Phrase("stop_left", "stop: an obstacle on the left", danger, "danger", 0.8, Side.LEFT),
        Phrase("stop_right", "stop: an obstacle on the right", danger, "danger", 0.8, Side.RIGHT),
        Phrase("drop", "possible drop ahead: kerb, stairs down, pit", danger, "danger", 0.8),
        Phrase("clear_ahead", "the way straight ahead is clear again", info, "chatty", 1.0),
    ]
    for side in SIDES:
        where = _WHERE[side]
        found += [
            Phrase(f"head_{side}", f"at head height {where}", danger, "danger", 1.0, side),
            Phrase(f"approaching_{side}", f"collision soon {where}", danger, "danger", 0.8, side),
            Phrase(f"step_{side}", f"low obstacle {where}: trip", warning, "normal", 1.0, side),
            Phrase(f"close_{side}", f"an obstacle close {where}", warning, "normal", 1.0, side),
            Phrase(f"near_{side}", f"an obstacle near {where}", info, "chatty", 1.0, side),
            Phrase(f"far_{side}", f"an obstacle far {where}", info, "chatty", 1.0, side),
            Phrase(f"side_{side}", f"names a side, a list follows: {where}", info, "danger", 6.0),
        ]
    found += [
        Phrase(f"unknown_{reason}", meaning, warning, "danger", 2.0)
        for reason, meaning in REASON_TEXTS.items()
    ]
    found += [Phrase(key, meaning, info, "normal", 3.0) for key, meaning in _STATES.items()]
    # What the user asked for is said at any verbosity.
    found += [Phrase(key, meaning, info, "danger", 6.0) for key, meaning in _CALIBRATION.items()]
    found += [Phrase(key, meaning, info, "danger", 2.0) for key, meaning in _CONTROLS.items()]
    found += [
        Phrase(f"band_{band}", f"names how near: {band}", info, "danger", 6.0) for band in Band
    ]
    found += [
        Phrase(distance_key(meters), f"{meters:g} meters", info, "danger", 6.0)
        for meters in DISTANCES_M
    ]
    found += [Phrase(key, meaning, info, "danger", 6.0) for key, meaning in _EAR.items()]
    found += [
        Phrase(f"number_{number}", f"the number {number}", info, "danger", 6.0)
        for number in range(HIGHEST_NUMBER + 1)
    ]
    return found


PHRASES: Mapping[str, Phrase] = MappingProxyType({phrase.key: phrase for phrase in _all()})
