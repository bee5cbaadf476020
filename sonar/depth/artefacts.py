"""What was made from a model for this machine, and where it is kept."""

import hashlib
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sonar.depth.models.contract import InputContract
from sonar.depth.models.registry import BUILTIN
from sonar.depth.models.resolved import ResolvedModel
from sonar.depth.models.store import Store

# Raise it when the making changes, so that old artefacts are not taken for new ones.
RECIPE = 3

SOURCE_KEY = "source_sha256"  # metadata of a packaged int8 file: which model it was made from

# int8 versions that come with sonar, by the SHA-256 of the model they were made from
PACKAGED_INT8: dict[str, Path] = {
    str(BUILTIN.sha256): Path(__file__).parent / "models" / "builtin" / "builtin_int8.onnx"
}


def artefact_path(store: Store, model: ResolvedModel, precision: str) -> Path:
    """Where the optimised model lies, or would: keyed by weights, shape, precision and machine."""
    shape = shape_key(model.contract)
    return store.derived_path(model.sha256, f"{precision}-{shape}-{machine_key()}.onnx")


def shape_key(contract: InputContract) -> str:
    """ "256x256" for a network of one size, "any" for one that takes every multiple."""
    if contract.fixed_hw is None:
        return "any"
    return f"{contract.fixed_hw[0]}x{contract.fixed_hw[1]}"


def machine_key() -> str:
    """Eight hex digits for the processor, the recipe and the versions that artefacts depend on."""
    parts = [str(RECIPE), cpu_model(), _cpu_fields("flags", "features")]
    parts += [f"{name} {installed(name)}" for name in ("onnxruntime", "openvino")]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def cpu_model() -> str:
    """The processor's name, for people and keys."""
    named = _cpu_fields("model name", "cpu part")
    return f"{platform.machine()} {named or platform.processor()}"


def _cpu_fields(*names: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Values of the first processor's fields where Linux lists them; empty elsewhere."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return ""
    found: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        found.setdefault(key.strip().lower(), value.strip())
    return " ".join(found[name] for name in names if name in found)


def installed(package: str) -> str | None:
    """A package's version, or None where it is not installed. Imports nothing."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
