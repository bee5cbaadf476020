"""``sonar simulate``: rendered walks with truth, and a walker that only hears."""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sonar.cli.prepare import prepare
from sonar.cli.ui import Common, common, emit_json, note, progress, say
from sonar.errors import ConfigError

if TYPE_CHECKING:  # numpy and the rest are not every command's need
    from sonar.lab.simulate.minmax import Bands
    from sonar.lab.simulate.scenario import Scenario
    from sonar.lab.simulate.suite import Way

DEPTHS = ("exact", "network", "both")


def simulate(
    ctx: typer.Context,
    scenarios: Annotated[
        list[str] | None,
        typer.Argument(metavar="SCENARIO...", help="names, YAML files of your own, or all"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="folder for the recorded walks")
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="the scenarios there are")] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="the JSON Schema of a scenario file")
    ] = False,
    closed_loop: Annotated[
        bool,
        typer.Option("--closed-loop", help="a walker that only hears: contacts per 100 m"),
    ] = False,
    depth: Annotated[
        str, typer.Option("--depth", help="of the closed loop: exact, network or both")
    ] = "exact",
    true_zones: Annotated[
        bool, typer.Option("--true-zones", help="beside them zones that are never wrong")
    ] = False,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, max=100, help="starts for each scenario")
    ] = 1,
    short: Annotated[
        bool, typer.Option("--short", help="only the first metres of each route")
    ] = False,
    width: Annotated[
        int, typer.Option("--width", min=64, max=1920, help="of the recorded film, in pixels")
    ] = 640,
) -> None:
    """Walks through simulated places: recorded, or by ear.

    Without --closed-loop each SCENARIO becomes a folder in --out: video.mp4, depth.npz (exact
    metres), poses.csv, config.yaml (the camera's mount) and events_truth.yaml, which `sonar
    evaluate` reads. With it a walker that hears nothing else goes the same ways, with and without
    sonar and with the common min-max approach, and its contacts are counted."""
    from sonar.lab.simulate.scenario import Scenario
    from sonar.lab.simulate.scenario_files import load, names

    options = common(ctx)
    if schema:
        return emit_json(Scenario.model_json_schema(by_alias=True))
    if list_them:
        return _list(options)
    if not scenarios:
        raise ConfigError("Name a scenario, or all; `sonar simulate --list` shows them.")
    if depth not in DEPTHS:
        raise ConfigError(f"--depth is one of {', '.join(DEPTHS)}, not {depth!r}.")
    wanted = [name for word in scenarios for name in (names() if word == "all" else (word,))]
    found = [load(name) for name in wanted]
    if closed_loop:
        return _closed_loop(options, found, depth, true_zones, range(seeds), short)
    return _record(options, found, out, width, [Path(word) for word in wanted])


def _list(options: Common) -> None:
    from sonar.lab.simulate.scenario_files import load, names

    about = {name: load(name).about for name in names()}
    if options.json:
        return emit_json(about)
    for name, text in about.items():
        say(f"{name:<20}{text}")


def _record(
    options: Common,
    found: "list[Scenario]",
    out: Path | None,
    width: int,
    inputs: Sequence[Path],
) -> None:
    from sonar.lab.simulate.record import record

    if out is None:
        raise ConfigError("--out names the folder that the walks are written to.")
    size = (round(width * 0.375) * 2, width // 2 * 2)
    written = []
    for scenario in found:
        with progress(options, scenario.name) as advance:
            done = record(scenario, out, size=size, progress=advance, inputs=inputs)
        written.append(
            {
                "scenario": scenario.name,
                "folder": str(done.folder),
                "frames": done.frames,
                "events": [event.model_dump(mode="json") for event in done.truth.events],
            }
        )
        if not options.json:
            touched = sum(event.contact_s is not None for event in done.truth.events)
            say(
                f"{done.folder}: {done.frames} frames, {len(done.truth.events)} events, "
                f"{touched} of them touched"
            )
    if options.json:
        emit_json(written)


def _closed_loop(
    options: Common,
    found: "list[Scenario]",
    depth: str,
    true_zones: bool,
    seeds: range,
    short: bool,
) -> None:
    from sonar.lab.simulate.suite import as_json, run, table

    with ExitStack() as stack, progress(options, "walks") as advance:
        ways = _ways(options, depth, true_zones, stack)
        walked = run(found, ways, seeds=seeds, short=short, progress=advance)
    if options.json:
        return emit_json(as_json(walked, seeds, short))
    for line in table(walked):
        say(line)
    if not options.plain and any("min-max" in way.name for way in ways):
        note("Who stands still touches nothing: read contacts together with arrivals.")


def _ways(options: Common, depth: str, true_zones: bool, stack: ExitStack) -> "list[Way]":
    from sonar.app import make_zones, open_engine
    from sonar.audio.cues import PulseMapper
    from sonar.lab.simulate import suite

    config = options.load()
    mapper = partial(PulseMapper, config.audio, config.speech)
    ways = [suite.without()]
    if true_zones:
        ways.append(suite.truth(config, mapper))
    if depth in ("exact", "both"):
        from sonar.zones import DepthZones

        ways += [
            suite.exact(partial(DepthZones, config.zones), mapper),
            suite.minmax(_bands(), mapper),
        ]
    if depth in ("network", "both"):
        prepare(config)
        engine = stack.enter_context(closing(open_engine(config)))
        ways += [
            suite.network(engine, partial(make_zones, config), mapper),
            suite.network_minmax(engine, _bands(), mapper),
        ]
    return ways


def _bands() -> "Bands":
    from sonar.lab.evaluate.naive import naive_band, naive_inverse_depths
    from sonar.types import Band, DepthMap

    def bands(
        depth: DepthMap,
    ) -> tuple[tuple[Band, float], tuple[Band, float], tuple[Band, float]]:
        left, center, right = ((naive_band(value), value) for value in naive_inverse_depths(depth))
        return left, center, right

    return bands
