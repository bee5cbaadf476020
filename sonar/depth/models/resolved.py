"""A model file that is there and is what it is said to be."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from sonar.depth.models.checks import check_onnx
from sonar.depth.models.contract import InputContract
from sonar.depth.models.registry import BUILTIN, DPT_LARGE, MIDAS_SMALL, ModelFormat
from sonar.errors import ConfigError, ModelError
from sonar.files import expanded, sha256_of
from sonar.types import DepthKind

TORCH_SUFFIXES = (".pt", ".pth")
_PATH = re.compile(r"\.(onnx|pth?)(#|$)")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What the engine needs to know of a model.

    Attributes:
        name: registry name, or the file's stem.
        path: the file.
        format: ``onnx``, or ``torch`` (needs converting with the extra [midas]).
        contract: how it is fed.
        sha256: of the file, 64 hex digits.
        provenance: where it came from, for people.
        architecture: of a torch file, as in the registry.
    """

    name: str
    path: Path
    format: ModelFormat
    contract: InputContract
    sha256: str
    provenance: str
    architecture: str | None = None


def looks_like_path(text: str) -> bool:
    """Whether a model setting means a file rather than a name."""
    return "/" in text or "\\" in text or bool(_PATH.search(text))


def path_and_kind(text: str) -> tuple[Path, DepthKind | None]:
    """The file of "net.onnx" or "net.onnx#metric", and the kind that is written behind it.

    Raises ConfigError for a word behind ``#`` that is no kind.
    """
    path = expanded(text)
    if "#" not in path.name or path.exists():
        return path, None
    stem, _, word = text.rpartition("#")
    try:
        return expanded(stem), DepthKind(word)
    except ValueError:
        kinds = " or ".join(kind.value for kind in DepthKind)
        raise ConfigError(f"{text}: after # stands what the values are: {kinds}") from None


def resolve_path(path: Path, kind: DepthKind | None = None) -> ResolvedModel:
    """A file given by its path alone.

    It is named by its stem, but no other file is named as the packaged model, whose traits the
    zones know. A checkpoint is known by its keys. An .onnx is fed as MiDaS small is, and gives
    relative inverse depth unless ``kind`` says otherwise; where that is wrong, describe it in the
    configuration. Raises ModelError, or MissingExtraError for a checkpoint without torch.
    """
    if not path.is_file():
        raise ModelError(f"the model file {path} is missing")
    provenance = f"your file {path}"
    if path.suffix in TORCH_SUFFIXES:
        from sonar.depth.midas.checkpoint import architecture_of, read_checkpoint

        architecture = architecture_of(read_checkpoint(path), path.name)
        contract = {
            "midas_lite0_walkable": BUILTIN.contract,
            "dpt_large": DPT_LARGE.contract,
        }.get(architecture, MIDAS_SMALL.contract)
        sha256 = sha256_of(path)
        name = _name_of(path, sha256)
        return ResolvedModel(name, path, "torch", contract, sha256, provenance, architecture)
    sha256 = sha256_of(path)
    described = BUILTIN.contract if sha256 == BUILTIN.sha256 else MIDAS_SMALL.contract
    if kind is not None:
        described = replace(described, kind=kind)
    contract = check_onnx(path, described)
    return ResolvedModel(_name_of(path, sha256), path, "onnx", contract, sha256, provenance)


def _name_of(path: Path, sha256: str) -> str:
    if sha256 == BUILTIN.sha256:
        return BUILTIN.name
    return f"{path.stem} (yours)" if path.stem == BUILTIN.name else path.stem
