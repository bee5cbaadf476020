"""Small worlds for the simulator's tests."""

import pytest

from sonar.errors import ConfigError
from sonar.lab.simulate.scenario import Scenario, read
from sonar.lab.simulate.scene.stage import Stage
from sonar.lab.simulate.scene.world import World

ROOM = "schema: sonar.scenario/1\nabout: a test\nground: {area: [-4, -3, 4, 12], ceiling_m: 2.6}\n"


def scenario(things: str = "", rest: str = "", goal: str = "[[0, 6]]") -> Scenario:
    """A room 8 m wide; ``things`` are lines of the list, without indent."""
    listed = "".join(f"  - {line}\n" for line in things.splitlines())
    head = "things:\n" + listed if listed else ""
    return read(f"{ROOM}{head}{rest}walk: {{route: {goal}}}\n", "test.yaml", "test")


def need_mujoco() -> None:
    """Skips, saying why, where nothing can be drawn."""
    try:
        Stage(World(scenario()), (8, 8)).close()
    except ConfigError as error:
        pytest.skip(str(error))
