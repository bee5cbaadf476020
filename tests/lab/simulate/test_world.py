"""What is solid, who moves, where the ground ends; and the body that meets all that."""

import math

import pytest
from simulate_kit import scenario

from sonar.lab.simulate import closed_loop
from sonar.lab.simulate.closed_loop import walk
from sonar.lab.simulate.scene.body import BODY_RADIUS_M, Body
from sonar.lab.simulate.scene.world import World


def test_gaps_are_distances_to_outlines() -> None:
    world = World(
        scenario("{kind: box, at: [1, 2], size: [0.4, 0.4, 1]}\n{kind: pole, at: [-1, 2]}")
    )
    box, pole = world.gaps(0.0, 2.0, 1.0)
    assert (box.thing, pole.thing) == ("box 1", "pole 1")
    assert box.distance_m == pytest.approx(0.8) and box.away == pytest.approx((-1.0, 0.0))
    assert pole.distance_m == pytest.approx(0.94) and pole.away == pytest.approx((1.0, 0.0))
    assert world.gaps(0.0, 2.0, 0.5) == []


def test_a_turned_box_is_turned() -> None:
    box = "{kind: box, at: [0, 2], size: [2, 0.2, 1], turn_deg: 90}"
    (gap,) = World(scenario(box)).gaps(0.5, 2.0, 1.0)
    assert gap.distance_m == pytest.approx(0.4)


def test_low_and_high_obstacles_are_not_felt() -> None:
    sill = "{kind: box, at: [0, 2], size: [1, 1, 0.05]}"
    beam = "{kind: box, at: [0, 2], size: [1, 1, 0.3], bottom_m: 1.9}"
    bar = "{kind: box, at: [0, 2], size: [1, 1, 0.3], bottom_m: 1.5}"
    assert World(scenario(sill)).gaps(0.0, 2.0, 1.0) == []
    assert World(scenario(beam)).gaps(0.0, 2.0, 1.0) == []
    world = World(scenario(bar))
    assert len(world.gaps(0.0, 2.0, 1.0)) == 1
    assert world.kind_of("box 1") == "head"


def test_steps_lead_down() -> None:
    world = World(scenario(rest="drops:\n  - {area: [-1, 3, 1, 8], depth_m: 1.0, steps: 5}\n"))
    depths = [world.drop_at(0.0, y) for y in (2.9, 3.1, 3.4, 7.0)]
    assert depths == pytest.approx([0.0, 0.17, 0.34, 1.0])
    assert world.drop_at(1.5, 4.0) == 0.0


def test_somebody_walks_waits_and_comes_back() -> None:
    world = World(
        scenario("{kind: person, at: [-2, 4], moves: {to: [[2, 4]], trigger_m: 5, loop: true}}")
    )
    (motion,) = world.motions
    world.step(0.5, 0.0, -5.0)
    assert motion.x_m == -2.0, "waits for the walker"
    for _ in range(10):
        world.step(0.1, 0.0, 0.0)
    assert motion.x_m == pytest.approx(-0.8, abs=0.01)
    for _ in range(30):
        world.step(0.1, 0.4, 4.0)  # is in the way
    assert motion.x_m < 0.4 - BODY_RADIUS_M, "nobody walks into a person"
    for _ in range(60):
        world.step(0.1, 0.0, 0.0)
    assert -2.0 < motion.x_m < 1.9, "on the way back"


def test_a_post_in_the_way_is_one_contact_and_the_goal_is_reached() -> None:
    result = walk(scenario("{kind: pole, at: [0, 3], radius_m: 0.3}"))
    assert result.contacts == ("pole 1",) and result.reached
    assert result.walked_m > 6.0


def test_a_free_way_is_walked_straight() -> None:
    result = walk(scenario())
    assert result.contacts == () and result.reached
    assert result.walked_m == pytest.approx(5.7, abs=0.15)


def test_a_wall_is_felt_along_round_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_loop, "TIME_FACTOR", 12.0)
    result = walk(scenario("{kind: wall, start: [-1, 3], end: [3.5, 3]}"))
    assert result.contacts == ("wall 1",) and result.reached


def test_a_hatch_is_a_fall_and_a_warned_walker_feels_its_edge() -> None:
    hatch = scenario(rest="drops:\n  - {area: [-1, 3, 1, 4], depth_m: 1}\n")
    body = Body(World(hatch), 0.0, 2.95, 0.0)
    assert body.touch(warned=False) == ("drop 0",) and body.falls == 1
    body = Body(World(hatch), 0.0, 2.95, 0.0)
    assert body.touch(warned=True) == ()
    assert (body.falls, body.contacts) == (0, []) and body.feeling
    result = walk(hatch)
    assert result.falls == 1 and result.reached, "and goes round it"


def test_stairs_are_the_end_of_the_way() -> None:
    stairs = scenario(rest="drops:\n  - {area: [-4, 3, 4, 9], depth_m: 2, steps: 9}\n")
    result = walk(stairs)
    assert result.falls == 1 and result.reached and result.way_m == pytest.approx(3.0, abs=0.2)


def test_to_goal_is_a_compass() -> None:
    body = Body(World(scenario(goal="[[3, 3]]")), 0.0, 0.0, 0.0)
    assert body.to_goal_deg == pytest.approx(45.0)
    body.advance(1.0, 90.0)
    assert (body.x_m, body.y_m) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert body.to_goal_deg == pytest.approx(math.degrees(math.atan2(2.0, 3.0)) - 90.0)


def test_the_route_has_turning_points() -> None:
    result = walk(scenario(goal="[[0, 3], [3, 3]]"))
    assert result.reached and result.way_m == pytest.approx(6.0)


def test_same_seed_same_walk() -> None:
    world = scenario("{kind: pole, at: [0.1, 3]}")
    assert walk(world, seed=3) == walk(world, seed=3)
    assert walk(world, seed=3) != walk(world, seed=4)
