"""The way ahead in one sentence, and as phrases for "what is around me"."""

from sonar.audio.cues.phrases import distance_key
from sonar.types import Band, Height, Reason, Scene, Side, State, ZoneReading

_WHERE = {Side.LEFT: "on the left", Side.CENTER: "ahead", Side.RIGHT: "on the right"}
_BANDS = {
    Band.CLEAR: "clear",
    Band.FAR: "far",
    Band.NEAR: "near",
    Band.CLOSE: "close",
    Band.STOP: "stop",
    Band.UNKNOWN: "unknown",
}
_HEIGHTS = {Height.FLOOR: " on the floor", Height.HEAD: " at head height"}
_STATES = {
    State.LOADING: "sonar is starting",
    State.READY: "sonar is ready",
    State.STOPPED: "sonar has stopped",
}
_REASONS = {
    Reason.STALE: "no new pictures come",
    Reason.SOURCE_LOST: "the camera is gone",
    Reason.DEPTH_FAILED: "depth failed",
    Reason.DARK: "it is too dark",
    Reason.GLARE: "the light blinds the camera",
    Reason.BLURRED: "the picture is blurred",
    Reason.COVERED: "the lens is covered",
    Reason.BLANK: "there is only a blank surface",
    Reason.FROZEN: "the picture is frozen",
    Reason.NO_GROUND: "no floor in view, distances are guesses",
    Reason.AUDIO_LOST: "the sound device was lost",
    Reason.SPEECH_LOST: "speech was lost",
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
    if all(zone.band is scene.left.band for zone in scene.zones) and scene.left.band in (
        Band.CLEAR,
        Band.UNKNOWN,
    ):
        parts.append("clear on all sides" if scene.left.band is Band.CLEAR else "nothing is known")
    else:
        parts += [_zone(zone) for zone in scene.zones]
    if scene.reason is not None:
        parts.append(_REASONS[scene.reason])
    return ", ".join(parts)


def _zone(zone: ZoneReading) -> str:
    said = f"{_BANDS[zone.band]} {_WHERE[zone.side]}"
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
