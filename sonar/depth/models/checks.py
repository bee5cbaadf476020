"""Everything that can be known of a model file without trusting it."""

from pathlib import Path

from sonar.depth.models.checks_onnx import check_onnx
from sonar.depth.models.checks_torch import (
    check_layout,
    check_pickle,
    load_checkpoint,
    shapes_of,
    torch_installed,
)
from sonar.depth.models.contract import InputContract
from sonar.depth.models.registry import ModelEntry
from sonar.errors import ModelError


def check_file(path: Path, entry: ModelEntry) -> InputContract:
    """Check that ``path`` can be the model ``entry``; its sum is the caller's to compare.

    An ONNX file is opened and tried. A checkpoint is searched for code and, where torch is
    installed, compared key by key; without torch that happens when it is converted.

    Returns the contract, a fixed input size filled in. Raises ModelError naming what is wrong.
    """
    size = path.stat().st_size
    if entry.size_bytes not in (None, size):
        raise ModelError(f"{entry.name}: {size} bytes, expected {entry.size_bytes}")
    if entry.format == "onnx":
        return check_onnx(path, entry.contract, alone=entry.local_path is None)
    check_pickle(path)
    if entry.architecture is not None and torch_installed():
        check_layout(shapes_of(load_checkpoint(path)), entry.architecture, path.name)
    return entry.contract
