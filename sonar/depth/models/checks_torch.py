"""Torch checkpoints: plain weights of a known network, or refused by name."""

import importlib.util
import io
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from sonar.depth.models.layouts import ARCHITECTURES, Layout
from sonar.errors import MissingExtraError, ModelError

_SHOWN_KEYS = 3
_PICKLE_BYTES = 64 << 20  # the description of the tensors, without their numbers
_LEGACY_PICKLES = 5  # magic, version, system, the object, the storage keys

# What a file of plain weights names; anything else would be code to run while loading.
_PLAIN = re.compile(
    r"collections\.OrderedDict|torch\.Size|torch\._utils\._rebuild_(tensor_v2|parameter)"
    r"|torch\.nn\.parameter\.Parameter|torch\.(storage\.)?\w+Storage"
)


def check_pickle(path: Path) -> None:
    """Read what a checkpoint would call while loading, without loading it (no torch needed).

    Raises ModelError naming the call when there is code in it, and when the file is cut off or
    no checkpoint at all.
    """
    try:
        with path.open("rb") as file:
            for name in _called_in(file):
                if not _PLAIN.fullmatch(name):
                    raise ModelError(
                        f"{path.name} is refused: it would run code while loading ({name}); "
                        "only files of plain weights are taken"
                    )
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # broken zips and pickles raise whatever they hit first
        raise ModelError(
            f"{path.name} is cut off, damaged, or no torch checkpoint ({_first_line(error)})"
        ) from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The tensors of a checkpoint by name, on the CPU, as they are stored.

    Checkpoints that keep their weights under ``model`` or ``state_dict`` are unwrapped.

    Raises ModelError when the file is damaged, holds code, or anything that is no finite tensor;
    MissingExtraError without torch.
    """
    check_pickle(path)
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError("midas", f"reading {path.name}") from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch, pickle and zip errors share no base class
        raise ModelError(f"{path.name} is cut off or damaged ({_first_line(error)})") from error
    for wrapper in ("state_dict", "model"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not state:
        raise ModelError(f"{path.name} is no table of weights")
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise ModelError(f"{path.name} holds something that is not a tensor ({name!r})")
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise ModelError(f"{path.name} holds weights that are not numbers ({name})")
    return dict(state)


def torch_installed() -> bool:
    """Whether torch can be imported (it is not imported to find out)."""
    return importlib.util.find_spec("torch") is not None


def check_layout(shapes: Layout, architecture: str, label: str) -> None:
    """Compare parameter names and shapes with a known architecture, key by key.

    Raises ModelError naming the first differing keys.
    """
    expected = ARCHITECTURES[architecture]
    missing = [name for name in expected if name not in shapes]
    unknown = [name for name in shapes if name not in expected]
    reshaped = [
        f"{name} is {list(shapes[name])}, expected {list(shape)}"
        for name, shape in expected.items()
        if name in shapes and tuple(shapes[name]) != shape
    ]
    parts = [
        f"{len(keys)} {what}: {_some(keys)}"
        for what, keys in (
            ("of other shape", reshaped),
            ("missing", missing),
            ("not known", unknown),
        )
        if keys
    ]
    if parts:
        raise ModelError(f"{label} is not a checkpoint of {architecture}: {'; '.join(parts)}")


def architecture_of(shapes: Layout, label: str) -> str:
    """The known architecture whose layout ``shapes`` is; ModelError when it is none."""
    for name, layout in ARCHITECTURES.items():
        if layout.keys() == shapes.keys():
            check_layout(shapes, name, label)
            return name
    nearest = max(ARCHITECTURES, key=lambda name: len(ARCHITECTURES[name].keys() & shapes.keys()))
    check_layout(shapes, nearest, label)
    raise AssertionError("unreachable: the keys differ")


def shapes_of(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a table of tensors."""
    return {name: tuple(value.shape) for name, value in state.items()}


def _called_in(file: IO[bytes]) -> Iterator[str]:
    """Name of everything that the pickles of a checkpoint refer to."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            pickles = [info for info in archive.infolist() if info.filename.endswith(".pkl")]
            if not pickles:
                raise ValueError("no pickle in the archive")
            for info in pickles:
                if info.file_size > _PICKLE_BYTES:
                    raise ValueError("its table of contents is far too large")
                yield from _called_by(io.BytesIO(archive.read(info)))
        return
    file.seek(0)
    if file.read(1) != b"\x80":
        raise ValueError("neither a zip archive nor a pickle")
    file.seek(0)
    for _ in range(_LEGACY_PICKLES):
        yield from _called_by(file)


def _called_by(file: IO[bytes]) -> Iterator[str]:
    """Of one pickle; leaves ``file`` behind it.

    torch writes every name out (GLOBAL). One that is put together from the stack or a registry
    cannot be told for certain without running the pickle, so it never counts as plain.
    """
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4"):
            yield f"{'.'.join(texts[-2:])}, named indirectly"
        elif isinstance(argument, str):
            texts.append(argument)


def _some(keys: list[str]) -> str:
    more = f" and {len(keys) - _SHOWN_KEYS} more" if len(keys) > _SHOWN_KEYS else ""
    return ", ".join(keys[:_SHOWN_KEYS]) + more


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:160] or type(error).__name__
