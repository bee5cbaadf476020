"""Scenes in words: as a sentence, as phrases, and as the cause of a cue."""

from sonar.audio.cues.phrases import distance_key
from sonar.types import SIDES, Band, Height, Reason, Scene, Side, State, ZoneReading

_WHERE = {Side.LEFT: "on the left", Side.CENTER: "ahead", Side.RIGHT: "on the right"}
_HEIGHTS = {Height.FLOOR: " on the floor", Height.HEAD: " at head height"}
REASON_TEXTS = {
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
_ALL_ALIKE = {Band.CLEAR: "clear on all sides", Band.UNKNOWN: "nothing is known"}
_STATES = {
    State.LOADING: "sonar is starting",
    State.READY: "sonar is ready",
    State.STOPPED: "sonar has stopped",
}


def describe(scene: Scene) -> str:
    """One English sentence: ``close on the left at 0.9 metres, clear ahead, near on the right``.

    A possible drop comes first, and why little is seen last.
    """
    if scene.state in _STATES:
        return _STATES[scene.state]
    parts = []
    if scene.drop_off:
        at = scene.drop_off_distance_m
        parts.append("possible drop ahead" + ("" if at is None else f" at {at:.1f} metres"))
    bands = {zone.band for zone in scene.zones}
    if len(bands) == 1 and scene.left.band in _ALL_ALIKE:
        parts.append(_ALL_ALIKE[scene.left.band])
    else:
        parts += [_zone(zone) for zone in scene.zones]
    if scene.reason is not None:
        parts.append(REASON_TEXTS[scene.reason])
    return ", ".join(parts)


def _zone(zone: ZoneReading) -> str:
    said = f"{zone.band} {_WHERE[zone.side]}"
    if zone.band not in (Band.CLEAR, Band.UNKNOWN):
        if zone.distance_m is not None:
            said += f" at {zone.distance_m:.1f} metres"
        if zone.height is not None:
            said += _HEIGHTS.get(zone.height, "")
    return said


def describe_keys(scene: Scene) -> tuple[str, ...]:
    """The same as phrase keys, to be said one after the other from what is rendered ahead."""
    keys: list[str] = ["drop"] if scene.drop_off else []
    for zone in scene.zones:
        keys += [f"side_{zone.side}", f"band_{zone.band}"]
        if zone.distance_m is not None and zone.band not in (Band.CLEAR, Band.UNKNOWN):
            keys.append(distance_key(zone.distance_m))
    return tuple(keys)


def why_of(zone: ZoneReading) -> str:
    """The cause in words: ``close, left, 0.9 m, head, collision in 1.4 s``."""
    parts = [str(zone.band), str(zone.side)]
    if zone.distance_m is not None:
        parts.append(f"{zone.distance_m:.1f} m")
    if zone.height is not None and zone.height is not Height.BODY:
        parts.append(str(zone.height))
    if zone.ttc_s is not None:
        parts.append(f"collision in {zone.ttc_s:.1f} s")
    return ", ".join(parts)


def why_unknown(scene: Scene, blind: tuple[Side, ...]) -> str:
    """Why nothing is known, and of which sides (none or all: of the whole)."""
    where = "" if len(blind) in (0, len(SIDES)) else ", " + " and ".join(blind)
    return f"unknown, {scene.reason or 'no evidence'}{where}"


def why_silent(scene: Scene) -> str:
    """Clear, or which obstacles are there but have not changed."""
    seen = [zone for zone in scene.zones if zone.band is not Band.CLEAR]
    if not seen:
        return "clear"
    return "unchanged, " + "; ".join(why_of(zone) for zone in seen)
