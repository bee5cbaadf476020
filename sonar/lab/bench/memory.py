"""Resident memory of one engine alone, in a process of its own.

``python -m sonar.lab.bench.memory`` reads a request as JSON from its standard input and writes one
number, in bytes.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from sonar.depth.candidates import Candidate, open_backend
from sonar.depth.models.contract import InputContract
from sonar.depth.models.resolved import ResolvedModel
from sonar.errors import DepthError
from sonar.types import DepthKind

LIMIT_S = 180.0
FRAMES = 20


def resident_mb(
    candidate: Candidate, model: ResolvedModel, threads: int, picture: tuple[int, int]
) -> float | None:
    """MB (1e6 bytes) after some frames of ``picture`` (rows, columns); None where not told.

    Raises DepthError when the process fails or takes more than three minutes.
    """
    if not Path("/proc/self/status").is_file():
        return None
    request = {
        "backend": candidate.backend,
        "precision": candidate.precision,
        "path": str(candidate.path) if candidate.path else None,
        "model": {**asdict(model), "path": str(model.path)},
        "threads": threads,
        "picture": picture,
    }
    try:
        done = subprocess.run(
            [sys.executable, "-m", "sonar.lab.bench.memory"],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=True,
        )
        return round(int(done.stdout) / 1e6, 1)
    except subprocess.TimeoutExpired as error:
        raise DepthError(
            f"memory of {candidate.backend} is not measured: it took over {LIMIT_S:.0f} s"
        ) from error
    except (subprocess.SubprocessError, OSError, ValueError) as error:
        raise DepthError(f"memory of {candidate.backend} is not measured: {error}") from error


def measure(request: str) -> int:
    """Run the engine that ``request`` describes and give this process's resident bytes."""
    from sonar.depth.engine import NetworkEngine
    from sonar.depth.models.store import Store
    from sonar.depth.practice import practice_pictures
    from sonar.types import Frame

    asked = json.loads(request)
    described = dict(asked["model"])
    contract = dict(described["contract"])
    contract["kind"] = DepthKind(contract["kind"])
    for key in ("mean", "std", "fixed_hw"):
        contract[key] = contract[key] and tuple(contract[key])
    described["contract"] = InputContract(**contract)
    described["path"] = Path(described["path"])
    model = ResolvedModel(**described)
    path = Path(asked["path"]) if asked["path"] else None
    candidate = Candidate(asked["backend"], asked["precision"], path)
    backend = open_backend(candidate, model, asked["threads"], Store())
    engine = NetworkEngine(backend, model.contract, "memory")
    image = next(iter(practice_pictures(1, *asked["picture"])))
    for number in range(FRAMES):
        engine.estimate(Frame(image=image, id=number, t=0.0))
    return resident_bytes()


def resident_bytes(status: Path = Path("/proc/self/status")) -> int:
    """Resident bytes of this process (Linux)."""
    for line in status.read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{status} has no VmRSS")


if __name__ == "__main__":
    sys.stdout.write(str(measure(sys.stdin.read())))
