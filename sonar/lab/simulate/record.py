"""Records a scenario: film, exact depth, poses and truth events.

What is recorded is the walk of somebody who hears nothing and feels the way round what is
touched, along the scenario's ``path``: the test for any aid, ours among them.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.capture.encode import VideoWriter
from sonar.capture.synthetic import Camera
from sonar.config import ZonesConfig
from sonar.config.plain_yaml import dump
from sonar.lab.evaluate.labels import FOLDER_LABELS, Truth
from sonar.lab.simulate.closed_loop import camera_at, mount_of
from sonar.lab.simulate.scenario import Scenario
from sonar.lab.simulate.scene.body import Body
from sonar.lab.simulate.scene.stage import Rendering, Stage
from sonar.lab.simulate.scene.world import World
from sonar.lab.simulate.truth import EventLog, drop_ahead, nearest_things
from sonar.lab.simulate.walker import SPEED_MPS, Walker
from sonar.replay.folder import output_folder, write_whole
from sonar.types import Side

FPS = 15.0
SIZE = (480, 640)
DEPTH_EVERY = 5
HEAD_TURN_DPS = 150.0  # the chest does not turn faster
DROP_SEEN_M = 4.0
TIME_FACTOR = 2.5  # of the straight walk's time
FILES = ("video.mp4", "depth.npz", "poses.csv", "config.yaml", FOLDER_LABELS)
_COLUMNS = "t,x_m,y_m,height_m,yaw_deg,pitch_deg,roll_deg"


@dataclass(frozen=True, slots=True, eq=False)
class WalkMoment:
    """One recorded frame, and the stage that it was rendered on."""

    t: float
    camera: Camera
    rendering: Rendering
    stage: Stage


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written."""

    scenario: str
    folder: Path
    frames: int
    truth: Truth

    def __str__(self) -> str:
        return f"{self.folder}: {self.frames} frames, {len(self.truth.events)} events"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        events = [event.model_dump(mode="json") for event in self.truth.events]
        one = {"scenario": self.scenario, "folder": str(self.folder), "frames": self.frames}
        return {**one, "events": events}


def moments(
    scenario: Scenario,
    log: EventLog,
    *,
    fps: float = FPS,
    size: tuple[int, int] = SIZE,
) -> Iterator[WalkMoment]:
    """Every frame of the walk, its truth noted in ``log``.

    Raises:
        MissingExtraError: MuJoCo is missing or cannot draw.
    """
    walk = scenario.walk
    path = walk.path or walk.route
    walk = walk.model_copy(update={"route": path, "path": ()})
    world = World(scenario.model_copy(update={"walk": walk}))
    (x0, y0), (x1, y1) = walk.start, path[0]
    yaw = math.degrees(math.atan2(x1 - x0, y1 - y0))
    body, walker = Body(world, x0, y0, yaw), Walker()
    with Stage(world, size) as stage:
        limit = TIME_FACTOR * body.route.length_m / walk.speed_mps
        for number in range(round(limit * fps)):
            t = number / fps
            camera = camera_at(scenario.camera, body.x_m, body.y_m, yaw, t)
            moment = WalkMoment(t, camera, stage.render(camera), stage)
            _note(log, moment)
            yield moment
            if body.feeling:
                body.feel(1.0 / fps)
            else:
                stride = walker.decide(None, body.to_goal_deg, 1.0 / fps, 0.0)
                speed_mps = stride.speed_mps * walk.speed_mps / SPEED_MPS
                body.advance(speed_mps / fps, stride.turn_dps / fps)
            for thing in body.touch(warned=False):
                if thing.startswith("drop"):
                    log.touched(t, "drop", "drop", Side.CENTER)
                else:
                    log.touched(t, thing, world.kind_of(thing), _side_of(world, body, thing))
            world.step(1.0 / fps, body.x_m, body.y_m)
            yaw += float(np.clip(body.yaw_deg - yaw, -HEAD_TURN_DPS / fps, HEAD_TURN_DPS / fps))
            if body.arrived:
                return


def record(
    scenario: Scenario,
    folder: Path,
    *,
    size: tuple[int, int] = SIZE,
    fps: float = FPS,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
    inputs: Sequence[Path] = (),
) -> Recorded:
    """Write ``folder``/<scenario>/: video.mp4, depth.npz, poses.csv, config.yaml,
    events_truth.yaml.

    Raises:
        MissingExtraError: MuJoCo is missing or cannot draw.
        OutputError: the folder cannot be written, or a file of these names in it is one of
            ``inputs`` or not ours.
    """
    where = folder / scenario.name
    log = EventLog()
    depths: list[NDArray[np.uint16]] = []
    cameras: list[Camera] = []
    with output_folder(where, inputs) as place:
        place.claim(FILES)
        film = VideoWriter(
            where / "video.mp4", *size, fps, format="mp4", options={}, x264={"crf": "20"}
        )
        with closing(film):
            for moment in moments(scenario, log, fps=fps, size=size):
                film.frame(moment.rendering.image, moment.t)
                if len(cameras) % DEPTH_EVERY == 0:
                    coarse_m = np.minimum(moment.rendering.depth_m[2::4, 2::4], 65.0)
                    depths.append(np.rint(coarse_m.astype(np.float64) * 1000.0).astype(np.uint16))
                cameras.append(moment.camera)
                progress(len(cameras), None)
        numbers = np.arange(0, len(cameras), DEPTH_EVERY, dtype=np.int32)
        np.savez_compressed(where / "depth.npz", frame=numbers, depth_mm=np.stack(depths))
        rows = [_COLUMNS]
        for number, camera in enumerate(cameras):
            values = (number / fps, *astuple(camera)[:-1])
            rows.append(",".join(f"{value:.4f}" for value in values))
        write_whole(where / "poses.csv", "\n".join(rows) + "\n")
        mount = mount_of(scenario.camera).model_dump(
            include={"height_m", "pitch_deg", "roll_deg", "hfov_deg"}
        )
        truth = Truth.model_validate(
            {"schema": "sonar.truth/1", "fps": fps, "mount": mount, "events": log.events()}
        )
        write_whole(where / "config.yaml", dump({"mount": mount}))
        write_whole(where / FOLDER_LABELS, dump(truth.model_dump(mode="json")))
    return Recorded(scenario.name, where, len(cameras), truth)


def _note(log: EventLog, moment: WalkMoment) -> None:
    zones, world = ZonesConfig(), moment.stage.world
    found = nearest_things(moment.stage, moment.rendering, moment.camera, zones)
    # What lies across the way is as near on all sides, to the centimeter: it is ahead.
    nearest = min(
        found, key=lambda a: (round(a.distance_m, 2), a.side is not Side.CENTER), default=None
    )
    if nearest is not None and nearest.distance_m <= zones.bands.far_m:
        kind = world.kind_of(nearest.thing)
        log.seen(moment.t, nearest.thing, kind, nearest.side, nearest.distance_m)
    drop_m = drop_ahead(world, moment.camera)
    if drop_m is not None and drop_m <= DROP_SEEN_M:
        log.seen(moment.t, "drop", "drop", Side.CENTER, drop_m)


def _side_of(world: World, body: Body, thing: str) -> Side:
    gap = next(g for g in world.gaps(body.x_m, body.y_m, 1.0) if g.thing == thing)
    towards = math.degrees(math.atan2(-gap.away[0], -gap.away[1])) - body.yaw_deg
    towards = (towards + 180.0) % 360.0 - 180.0
    return Side.LEFT if towards < -30.0 else Side.RIGHT if towards > 30.0 else Side.CENTER
