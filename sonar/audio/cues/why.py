"""The cause of a cue in words, for events and reports."""

from sonar.types import SIDES, Band, Height, Scene, Side, ZoneReading


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
    """Clear, or which obstacles are there but old news."""
    seen = [zone for zone in scene.zones if zone.band is not Band.CLEAR]
    if not seen:
        return "clear"
    return "unchanged, " + "; ".join(why_of(zone) for zone in seen)
