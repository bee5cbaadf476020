"""Scenario files are checked strictly, and the shipped ones are what the suite promises."""

from pathlib import Path

import pytest

from sonar.errors import ConfigError
from sonar.lab.simulate.scenario import Scenario, load, names, read
from sonar.lab.simulate.scene.world import World

START = "schema: sonar.scenario/1\nabout: x\nground: {area: [-3, -3, 3, 9]}\n"
END = "walk: {route: [[0, 5]]}\n"


def test_there_are_at_least_twenty_and_each_can_be_built() -> None:
    assert len(names()) >= 20
    for name in names():
        scenario = load(name)
        assert scenario.name == name
        world = World(scenario)
        x, y = scenario.walk.start
        assert not [g for g in world.gaps(x, y, 0.6)], f"{name}: starts inside something"
        assert world.drop_at(x, y) == 0.0


def test_they_cover_what_walkers_meet() -> None:
    every = [load(name) for name in names()]
    kinds = {thing.kind for s in every for thing in s.things}
    assert kinds >= {"person", "bicycle", "tree", "parts", "pole", "table", "car"}
    assert {s.light for s in every} == {"indoor", "day", "dim", "night", "glare"}
    drops = [drop for s in every for drop in s.drops]
    assert any(d.steps for d in drops) and any(d.depth_m < 0.2 for d in drops)
    heads = [s.name for s in every if "head" in {World(s).kind_of(t) for t in _things(s)}]
    assert {"head_bar", "hanging_plants"} <= set(heads)
    assert sum(t.kind == "person" and bool(t.moves) for s in every for t in s.things) >= 4


def _things(scenario: Scenario) -> list[str]:
    return World(scenario).room.obstacles


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("lihgt: day\n", r"x\.yaml:4: no such key lihgt; the nearest is light\."),
        ("camera: {heigth_m: 1}\n", r":4: no such key camera\.heigth_m; the nearest is height_m"),
        ("things:\n  - {kind: persn, at: [0, 1]}\n", r":5: there is no kind 'persn'; .* person\."),
        (
            "things:\n  - {kind: pole, at: [0, 1], radius: 1}\n",
            r":5: no such key things\.0\.radius; the nearest is radius_m",
        ),
        (
            "things:\n  - {kind: person, at: [0, 1], moves: {too: [[1, 1]]}}\n",
            r"no such key things\.0\.moves\.too; the nearest is to\.",
        ),
        ("things:\n  - {kind: wall, start: [0, 0]}\n", r"things\.0\.end: field required"),
        (
            "things:\n  - {kind: pole, at: [0, 1], material: stel}\n",
            r"no such material 'stel'; the nearest is steel",
        ),
        ("drops:\n  - {area: [0, 1, 1, 2], depth_m: -1}\n", r"drops\.0\.depth_m: input should be"),
        ("light: [&a day, *a]\n", "anchors and aliases"),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_the_nearest_key(lines: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(START + lines + END, "x.yaml", "x")


def test_other_files_are_refused() -> None:
    with pytest.raises(ConfigError, match="begins with schema"):
        read("- 1\n", "x.yaml", "x")
    with pytest.raises(ConfigError, match="schema"):
        read(START.replace("/1", "/2") + END, "x.yaml", "x")


def test_ones_own_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(START + END)
    assert load(file).name == "mine"
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "absent.yaml")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest is corridor"):
        load("coridor")
