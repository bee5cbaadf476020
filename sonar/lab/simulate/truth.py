"""What is really ahead, from the exact depth and parts of a frame, and the events made of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sonar.capture.synthetic import Camera
from sonar.config import BandEdges, ZonesConfig
from sonar.lab.evaluate.labels import Kind, TruthEvent
from sonar.lab.simulate.scene.stage import Rendering, Stage
from sonar.lab.simulate.scene.world import World
from sonar.types import SIDES, Side

MIN_SHARE = 5e-4  # of the frame; smaller is not seen
DROP_AHEAD_M = 6.0
DROP_HALF_M = 0.3
_STEP_M = 0.05
BRIDGE_S = 0.5  # an obstacle out of view for less is the same event
SHORTEST_S = 0.4
UNSEEN_S = 3.0  # what is touched left the frame at most this long before
CLOSE_M = BandEdges().close_m
CHAIN_S = 8.0  # and came into the way at most this long before


class NearestAhead(NamedTuple):
    """The nearest thing of one side inside the corridor: meters along the heading."""

    distance_m: float
    thing: str
    side: Side


def nearest_things(
    stage: Stage, rendering: Rendering, camera: Camera, zones: ZonesConfig
) -> list[NearestAhead]:
    """The nearest solid thing that the frame shows in the way, of each side that has one."""
    x, y = camera.pixel_rays(*rendering.depth_m.shape)
    ahead, right = camera.heading
    solid = stage.solid[rendering.part] & np.isfinite(rendering.depth_m)
    rows, cols = np.nonzero(solid)
    axes = camera.axes
    rays = x[cols, None] * axes[0] + y[rows, None] * axes[1] + axes[2]
    points = rays * rendering.depth_m[rows, cols].astype(np.float64)[:, None]
    forward, lateral = points[:, :2] @ ahead, points[:, :2] @ right
    up = points[:, 2] + camera.height_m
    inside = (np.abs(lateral) <= zones.corridor_width_m / 2) & (up <= zones.head_height_m)
    inside &= forward > 0.0
    edge = math.tan(math.radians(zones.center_width_deg / 2)) * forward
    sides = np.where(lateral < -edge, 0, np.where(lateral > edge, 2, 1))
    things = np.array(stage.parts)[rendering.part[rows, cols]]
    needed = max(1, round(MIN_SHARE * rendering.depth_m.size))
    found = []
    for number, side in enumerate(SIDES):
        own = inside & (sides == number)
        ats = {str(thing): forward[own & (things == thing)] for thing in np.unique(things[own])}
        seen = [(float(at.min()), thing) for thing, at in ats.items() if at.size >= needed]
        if seen:
            found.append(NearestAhead(*min(seen), side))
    return found


def drop_ahead(world: World, camera: Camera) -> float | None:
    """Meters along the heading to where the ground ends on the feet's way, by the plan."""
    ahead, right = camera.heading
    for far in np.arange(0.0, DROP_AHEAD_M, _STEP_M):
        for beside in (-DROP_HALF_M, 0.0, DROP_HALF_M):
            x, y = np.array([camera.x_m, camera.y_m]) + far * ahead + beside * right
            if world.drop_at(x, y) > 0.05:
                return float(far)
    return None


@dataclass(slots=True)
class _Span:
    thing: str
    kind: Kind
    side: Side
    from_s: float
    to_s: float
    nearest_m: float
    contact_s: float | None = None


@dataclass(slots=True)
class EventLog:
    """Collects what is nearest, moment by moment, into events."""

    _spans: list[_Span] = field(default_factory=list)

    def seen(self, t: float, thing: str, kind: Kind, side: Side, distance_m: float) -> None:
        """``thing`` is in the way at ``t``."""
        for span in reversed(self._spans):
            if (span.thing, span.side) == (thing, side) and t - span.to_s <= BRIDGE_S:
                span.to_s, span.nearest_m = t, min(span.nearest_m, distance_m)
                return
        self._spans.append(_Span(thing, kind, side, t, t, distance_m))

    def touched(self, t: float, thing: str, kind: Kind, side: Side) -> None:
        """``thing`` was touched at ``t``, perhaps already out of the camera's view.

        The contact belongs to the event in which the thing came into the way: sides change in
        the last steps.
        """
        own = [s for s in self._spans if s.thing == thing and t - s.from_s <= CHAIN_S]
        if not own or t - max(s.to_s for s in own) > UNSEEN_S:
            self._spans.append(_Span(thing, kind, side, t, t, 0.0, t))
            return
        first = min(own, key=lambda s: s.from_s)
        first.nearest_m = 0.0
        if first.contact_s is None:
            first.contact_s = t

    def events(self) -> Sequence[TruthEvent]:
        """Those to be warned of, in the order of their beginning: what was touched, drops, and
        what came within the close band for more than a glimpse."""
        return [
            TruthEvent(
                from_s=round(s.from_s, 3),
                to_s=round(s.to_s, 3),
                kind=s.kind,
                side=s.side.value,
                nearest_m=round(s.nearest_m, 3),
                contact_s=None if s.contact_s is None else round(s.contact_s, 3),
            )
            for s in sorted(self._spans, key=lambda s: (s.from_s, s.thing))
            if s.contact_s is not None
            or (s.to_s - s.from_s >= SHORTEST_S and (s.kind == "drop" or s.nearest_m <= CLOSE_M))
        ]


def mixed_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Unit-variance noise of shape (H, W), half of its variance smooth across the image."""
    height, width = shape
    coarse = rng.standard_normal((13, 13))
    rows, cols = np.linspace(0, 12, height), np.linspace(0, 12, width)
    r0, c0 = np.minimum(rows.astype(int), 11), np.minimum(cols.astype(int), 11)
    fr, fc = (rows - r0)[:, None], (cols - c0)[None, :]
    wr, wc = np.stack([1 - fr, fr]), np.stack([1 - fc, fc])
    smooth = sum(wr[i] * wc[j] * coarse[np.ix_(r0 + i, c0 + j)] for i in range(2) for j in range(2))
    # Bilinear weights shrink the variance between the nodes: put it back.
    spread = np.sqrt((wr**2).sum(0) * (wc**2).sum(0))
    noise: NDArray[np.float64] = np.sqrt(0.5) * (smooth / spread + rng.standard_normal(shape))
    return noise
