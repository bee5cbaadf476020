"""The closed loop over many scenarios, for several ways of hearing, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sonar.config import MountConfig, SonarConfig
from sonar.lab.simulate.closed_loop import NETWORK_SIZE, SIZE, WalkResult, WalkTally, tally, walk
from sonar.lab.simulate.ears import EarsFactory, Hearing, NetworkDepth, SpoiltDepth, TrueEars
from sonar.lab.simulate.minmax import Bands, MinMaxZones
from sonar.lab.simulate.scenario import Scenario
from sonar.ports import CueMapper, Engine, ZoneAnalyser

SHORT_M = 7.0  # of the route, in the short form

ZonesFor = Callable[[MountConfig], ZoneAnalyser]


@dataclass(frozen=True, slots=True)
class Way:
    """One way of hearing.

    Attributes:
        name: for tables.
        ears: makes the chain for a seed; None for the walker without sonar.
        size, textured: of the pictures that it is given.
    """

    name: str
    ears: Callable[[int], EarsFactory] | None
    size: tuple[int, int] = SIZE
    textured: bool = False


@dataclass(frozen=True, slots=True)
class Walked:
    """One way over all scenarios."""

    way: str
    results: tuple[WalkResult, ...]

    @property
    def together(self) -> WalkTally:
        return tally(self.results)


def without() -> Way:
    """The yardstick."""
    return Way("without sonar", None)


def exact(zones: ZonesFor, mapper: Callable[[], CueMapper]) -> Way:
    """Zones and sound, on exact depth with an unknown scale, shift and noise."""

    def ears(seed: int) -> EarsFactory:
        return lambda stage, mount: Hearing(stage, SpoiltDepth(seed), zones(mount), mapper())

    return Way("sonar, exact depth", ears)


def minmax(bands: Bands, mapper: Callable[[], CueMapper]) -> Way:
    """The per-frame min-max approach on the same depth, heard in the same way."""

    def ears(seed: int) -> EarsFactory:
        return lambda stage, mount: Hearing(stage, SpoiltDepth(seed), MinMaxZones(bands), mapper())

    return Way("min-max, exact depth", ears)


def truth(config: SonarConfig, mapper: Callable[[], CueMapper]) -> Way:
    """Zones that are never wrong: what remains are the sound's limits and the walker's faults."""

    def ears(seed: int) -> EarsFactory:
        return lambda stage, mount: TrueEars(stage, config.zones, mapper())

    return Way("true zones", ears)


def network(engine: Engine, zones: ZonesFor, mapper: Callable[[], CueMapper]) -> Way:
    """The whole chain: the network on rendered pictures."""

    def ears(seed: int) -> EarsFactory:
        return lambda stage, mount: Hearing(stage, NetworkDepth(engine), zones(mount), mapper())

    return Way("sonar, network", ears, NETWORK_SIZE, True)


def network_minmax(engine: Engine, bands: Bands, mapper: Callable[[], CueMapper]) -> Way:
    """The min-max approach on the network's depth."""

    def ears(seed: int) -> EarsFactory:
        return lambda stage, mount: Hearing(
            stage, NetworkDepth(engine), MinMaxZones(bands), mapper()
        )

    return Way("min-max, network", ears, NETWORK_SIZE, True)


def run(
    scenarios: Sequence[Scenario],
    ways: Sequence[Way],
    *,
    seeds: Sequence[int] = (0,),
    short: bool = False,
    progress: Callable[[int, int | None], None] | None = None,
) -> list[Walked]:
    """Every way through every scenario, from every seed's start.

    Args:
        short: only the first metres of each route.

    Raises:
        MissingExtraError: MuJoCo is missing or cannot draw.
    """
    total, done = len(ways) * len(scenarios) * len(seeds), 0
    found = []
    for way in ways:
        results = []
        for scenario in scenarios:
            for seed in seeds:
                ears = None if way.ears is None else way.ears(seed)
                result = walk(
                    scenario,
                    ears,
                    seed=seed,
                    size=way.size,
                    textured=way.textured,
                    end_m=SHORT_M if short else None,
                )
                results.append(result)
                done += 1
                if progress is not None:
                    progress(done, total)
        found.append(Walked(way.name, tuple(results)))
    return found


def as_json(walked: Sequence[Walked], seeds: Sequence[int], short: bool) -> dict[str, Any]:
    """Everything, for machines: schema ``sonar.walks/1``."""
    return {
        "schema": "sonar.walks/1",
        "seeds": list(seeds),
        "short": short,
        "ways": [
            {
                "way": w.way,
                **asdict(w.together),
                "contacts_per_100_m": round(w.together.per_100_m, 2),
                "contacts_per_100_m_of_route": round(w.together.per_100_m_way, 2),
                "results": [asdict(r) for r in w.results],
            }
            for w in walked
        ],
    }


def table(walked: Sequence[Walked]) -> list[str]:
    """A line for each scenario, then the sums; for people and screen readers."""
    lines = []
    by_name: dict[str, list[str]] = {}
    for w in walked:
        for r in w.results:
            end = "arrived" if r.reached else f"gave up at {r.way_m:.1f} m"
            touched = f"{len(r.contacts)} contacts" if r.contacts else "no contact"
            by_name.setdefault(r.scenario, []).append(
                f"  {w.way:<22}{touched:<13}{end}, {r.seconds:.0f} s"
            )
    for name, rows in by_name.items():
        lines += [name, *rows]
    lines.append("All walks")
    for w in walked:
        t = w.together
        lines.append(
            f"  {w.way:<22}{t.per_100_m:5.1f} contacts per 100 m "
            f"({t.per_100_m_way:.1f} per 100 m of route), {t.contacts} in all, "
            f"{t.falls} of them falls; {t.arrived} of {t.walks} arrived, {t.seconds:.0f} s"
        )
    return lines


__all__ = [
    "Walked",
    "Way",
    "as_json",
    "exact",
    "minmax",
    "network",
    "network_minmax",
    "run",
    "table",
    "truth",
    "without",
]
