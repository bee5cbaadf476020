"""What is rendered is the world: exact depth, exact parts, the scenario's light."""

import math
import sys

import numpy as np
import pytest
from simulate_kit import need_mujoco, scenario

from sonar.capture.synthetic import Camera
from sonar.config import ZonesConfig
from sonar.errors import ConfigError, MissingExtraError
from sonar.lab.simulate.scene import stage as stage_module
from sonar.lab.simulate.scene.stage import Stage
from sonar.lab.simulate.scene.world import World
from sonar.lab.simulate.truth import NearestAhead, drop_ahead, nearest_things
from sonar.types import Side
from sonar.zones import judge, subsample

SIZE = (96, 128)
EYE = Camera(0.0, 0.0, 1.35, 0.0, 10.0, 0.0)


def by_side(stage: Stage, camera: Camera) -> dict[Side, NearestAhead]:
    found = nearest_things(stage, stage.render(camera), camera, ZonesConfig())
    return {each.side: each for each in found}


@pytest.fixture(autouse=True)
def _drawn() -> None:
    need_mujoco()


def test_depth_is_exact_on_the_floor() -> None:
    with Stage(World(scenario()), SIZE) as stage:
        view = stage.render(EYE)
        floor = stage.walkable(view) > 0.5
    focal = SIZE[1] / 2 / math.tan(math.radians(31.0))
    rows = (np.arange(SIZE[0]) - (SIZE[0] - 1) / 2) / focal
    pitch = math.radians(EYE.pitch_deg)
    with np.errstate(divide="ignore"):
        expected = EYE.height_m / (rows * math.cos(pitch) + math.sin(pitch))
    got = view.depth_m[:, 64][floor[:, 64]]
    assert floor[:, 64].sum() > 30
    assert got == pytest.approx(expected[floor[:, 64]], rel=2e-3)


def test_obstacles_are_where_the_plan_has_them_and_move_with_their_bodies() -> None:
    world = World(
        scenario("{kind: pole, at: [0.7, 3], radius_m: 0.1}\n{kind: person, at: [-0.8, 2.5]}")
    )
    with Stage(world, SIZE) as stage:
        seen = by_side(stage, EYE)
        assert Side.CENTER not in seen
        left, right = seen[Side.LEFT], seen[Side.RIGHT]
        assert left.thing == "person 1"
        assert left.distance_m == pytest.approx(2.5 - 0.15, abs=0.1)
        assert right.thing == "pole 1"
        assert right.distance_m == pytest.approx(2.9, abs=0.05)
        world.motions[0].x_m = 0.0
        moved = by_side(stage, EYE)
    assert moved[Side.CENTER].thing == "person 1"


def test_turning_right_brings_what_is_right_to_the_middle() -> None:
    world = World(scenario("{kind: pole, at: [1.5, 2.6], radius_m: 0.1}"))
    turned = Camera(0.0, 0.0, 1.35, 30.0, 10.0, 0.0)
    with Stage(world, SIZE) as stage:
        seen = by_side(stage, turned)
    assert seen[Side.CENTER].distance_m == pytest.approx(2.9, abs=0.1)


def test_sky_is_infinite_and_a_drop_is_lower_and_announced() -> None:
    out = scenario(rest="light: day\ndrops:\n  - {area: [-4, 3, 4, 12], depth_m: 1.0}\n")
    out = out.model_copy(update={"ground": out.ground.model_copy(update={"ceiling_m": None})})
    with Stage(World(out), SIZE) as stage:
        view = stage.render(EYE)
        assert np.isinf(view.depth_m[0, 64])
        assert drop_ahead(stage.world, EYE) == pytest.approx(3.0, abs=0.06)
        assert drop_ahead(stage.world, Camera(0.0, 0.0, 1.35, 180.0, 10.0, 0.0)) is None
        names = {stage.parts[k] for k in np.unique(view.part)}
    assert "below" in names


def test_light_is_the_scenarios() -> None:
    brightness = {}
    for light in ("indoor", "dim", "night"):
        world = World(scenario("{kind: pole, at: [0.3, 3]}", rest=f"light: {light}\n"))
        # Lamps would light the night: outdoors there are none.
        with Stage(world, SIZE) as stage:
            image = stage.render(EYE).image
        assert image.shape == (*SIZE, 3) and image.dtype == np.uint8
        brightness[light] = float(image.mean())
        if light == "indoor":
            assert judge(subsample(image)) is None, "a usual frame is no reason for uncertainty"
    assert brightness["indoor"] > 1.5 * brightness["dim"] > 1.5 * brightness["night"]


def test_without_mujoco_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(MissingExtraError, match=r"sonar-assist\[sim\]"):
        Stage(World(scenario()), SIZE)


def test_without_a_way_to_draw_both_ways_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = stage_module.load_mujoco()

    class Broken:
        MjModel, MjData, FatalError = real.MjModel, real.MjData, real.FatalError

        @staticmethod
        def Renderer(*_: object) -> None:
            raise AttributeError("'NoneType' object has no attribute 'glGetError'")

    monkeypatch.setattr(stage_module, "load_mujoco", lambda: Broken)
    with pytest.raises(ConfigError, match=r"libosmesa6.*MUJOCO_GL=egl"):
        Stage(World(scenario()), SIZE)
