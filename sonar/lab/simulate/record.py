"""Records a scenario: film, exact depth, poses and truth events.

What is recorded is the walk of somebody who hears nothing and feels the way round what is
touched, along the scenario's ``path``: the test for any aid, ours among them.
"""

import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sonar.config import ZonesConfig
from sonar.config.plain_yaml import dump
from sonar.files import media_path
from sonar.lab.evaluate.labels import Kind, Truth
from sonar.lab.simulate.ears import eye_pose, mount_of
from sonar.lab.simulate.listener import SPEED_MPS, Listener
from sonar.lab.simulate.scenario import Scenario
from sonar.lab.simulate.scene.body import Body
from sonar.lab.simulate.scene.offscreen import CameraPose
from sonar.lab.simulate.scene.stage import Rendering, Stage
from sonar.lab.simulate.scene.world import World
from sonar.lab.simulate.truth import NearestAhead, drop_ahead, nearest_things
from sonar.lab.simulate.truth_file import EventLog, write_truth
from sonar.replay.folder import output_folder
from sonar.types import FloatImage, Side

FPS = 15.0
SIZE = (480, 640)
DEPTH_EVERY = 5
HEAD_TURN_DPS = 150.0  # the chest does not turn faster
DROP_TOLD_M = 4.0
TIME_FACTOR = 2.5  # of the straight walk's time
FILES = ("video.mp4", "depth.npz", "poses.csv", "config.yaml", "events_truth.yaml")
_COLUMNS = ("t", "x_m", "y_m", "height_m", "yaw_deg", "pitch_deg", "roll_deg")


def coarse_mm(depth_m: FloatImage) -> NDArray[np.uint16]:
    """Every fourth pixel from the third on, in millimeters: (480, 640) -> (120, 160)."""
    millimeters = np.rint(depth_m[2::4, 2::4].astype(np.float64) * 1000.0)
    return np.clip(millimeters, 0, 65535).astype(np.uint16)


@dataclass(frozen=True, slots=True, eq=False)
class WalkMoment:
    """One recorded frame."""

    t: float
    pose: CameraPose
    sight: Rendering


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was written."""

    folder: Path
    frames: int
    truth: Truth


def moments(
    scenario: Scenario,
    log: EventLog,
    *,
    fps: float = FPS,
    size: tuple[int, int] = SIZE,
    textured: bool = True,
    stages: Callable[[Stage], None] | None = None,
) -> Iterator[WalkMoment]:
    """Every frame of the walk, its truth noted in ``log``.

    Args:
        stages: told the stage before the first frame, for whoever wants more from it.

    Raises:
        MissingExtraError: MuJoCo is missing or cannot draw.
    """
    path = scenario.walk.path or scenario.walk.route
    walk = scenario.walk.model_copy(update={"route": path, "path": ()})
    world = World(scenario.model_copy(update={"walk": walk}))
    body = Body(world, *walk.start, _bearing(walk.start, path[0]))
    zones, mount = ZonesConfig(), scenario.camera
    legs, yaw = Listener(), body.yaw_deg
    with Stage(world, size, pictures=textured) as stage:
        if stages is not None:
            stages(stage)
        limit = TIME_FACTOR * body.route.length_m / walk.speed_mps
        for number in range(round(limit * fps)):
            t = number / fps
            pose = eye_pose(mount, body.x_m, body.y_m, yaw, t)
            sight = stage.look(pose)
            _note(log, t, stage, sight, pose, zones)
            yield WalkMoment(t, pose, sight)
            if body.feeling:
                body.feel(1.0 / fps)
            else:
                step = legs.decide(None, body.to_goal_deg, 1.0 / fps, 0.0)
                faster = walk.speed_mps / SPEED_MPS
                body.advance(step.speed_mps * faster / fps, step.turn_dps / fps)
            for thing in body.touch(warned=False):
                drop = thing.startswith("drop")
                kind: Kind = "drop" if drop else _kind(world, thing)
                side = Side.CENTER if drop else _side_of(world, body, thing)
                log.touched(t, "drop" if drop else thing, kind, side)
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
    progress: Callable[[int, int | None], None] | None = None,
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
    with output_folder(where, inputs) as place:
        place.claim(FILES)
        return _record(scenario, where, size, fps, progress)


def _record(
    scenario: Scenario,
    where: Path,
    size: tuple[int, int],
    fps: float,
    progress: Callable[[int, int | None], None] | None,
) -> Recorded:
    import av

    log = EventLog()
    depths: list[NDArray[np.uint16]] = []
    poses: list[CameraPose] = []
    with av.open(media_path(where / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000))
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        # One thread, so that the file does not depend on the number of cores.
        stream.options = {"crf": "20", "preset": "fast", "threads": "1"}
        for moment in moments(scenario, log, fps=fps, size=size):
            picture = av.VideoFrame.from_ndarray(moment.sight.image, format="rgb24")
            container.mux(stream.encode(picture))
            if len(poses) % DEPTH_EVERY == 0:
                depths.append(coarse_mm(np.minimum(moment.sight.depth_m, 65.0)))
            poses.append(moment.pose)
            if progress is not None:
                progress(len(poses), None)
        container.mux(stream.encode())
    mount = mount_of(scenario.camera).model_dump(
        include={"height_m", "pitch_deg", "roll_deg", "hfov_deg"}
    )
    truth = Truth.model_validate(
        {"schema": "sonar.truth/1", "fps": fps, "mount": mount, "events": log.events()}
    )
    _write_rest(where, mount, poses, depths, fps)
    write_truth(truth, where)
    return Recorded(where, len(poses), truth)


def _write_rest(
    where: Path,
    mount: dict[str, float],
    poses: list[CameraPose],
    depths: list[NDArray[np.uint16]],
    fps: float,
) -> None:
    frames = np.arange(0, len(poses), DEPTH_EVERY, dtype=np.int32)
    np.savez_compressed(where / "depth.npz", frame=frames, depth_mm=np.stack(depths))
    with (where / "poses.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(_COLUMNS)
        for number, p in enumerate(poses):
            values = (p.x_m, p.y_m, p.height_m, p.yaw_deg, p.pitch_deg, p.roll_deg)
            rows.writerow([f"{number / fps:.4f}", *(f"{value:.4f}" for value in values)])
    (where / "config.yaml").write_text(dump({"mount": mount}), encoding="utf-8")


def _note(
    log: EventLog, t: float, stage: Stage, sight: Rendering, pose: CameraPose, zones: ZonesConfig
) -> None:
    ahead = [a for a in nearest_things(stage, sight, pose, zones).values() if a is not None]
    nearest: NearestAhead | None = min(ahead, key=lambda a: a.distance_m, default=None)
    if nearest is not None and nearest.distance_m <= zones.bands.far_m:
        kind = _kind(stage.world, nearest.thing)
        log.seen(t, nearest.thing, kind, nearest.side, nearest.distance_m)
    drop = drop_ahead(stage, pose)
    if drop is not None and drop <= DROP_TOLD_M:
        log.seen(t, "drop", "drop", Side.CENTER, drop)


def _kind(world: World, thing: str) -> Kind:
    found = world.kind_of(thing)
    return "person" if found == "person" else "head" if found == "head" else "obstacle"


def _side_of(world: World, body: Body, thing: str) -> Side:
    gap = next(g for g in world.gaps(body.x_m, body.y_m, 1.0) if g.thing == thing)
    towards = math.degrees(math.atan2(-gap.away[0], -gap.away[1])) - body.yaw_deg
    towards = (towards + 180.0) % 360.0 - 180.0
    return Side.LEFT if towards < -30.0 else Side.RIGHT if towards > 30.0 else Side.CENTER


def _bearing(start: tuple[float, float], end: tuple[float, float]) -> float:
    return math.degrees(math.atan2(end[0] - start[0], end[1] - start[1]))
