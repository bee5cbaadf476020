"""The models that sonar knows by name: where each comes from, its sum, and how it is fed.

Sizes and SHA-256 sums of the official MiDaS files are those of the release assets, as several
independent projects pin them; a file that differs is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sonar.config import ModelConfig
from sonar.depth.contract import BUILTIN_CONTRACT, InputContract
from sonar.errors import ConfigError
from sonar.files import expanded

ModelFormat = Literal["onnx", "torch"]

_RELEASES = "https://github.com/isl-org/MiDaS/releases/download/v2_1"
BUILTIN_PATH = Path(__file__).parent / "builtin" / "builtin.onnx"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model that can be asked for by name.

    Attributes:
        name: what people type.
        what: one line for people.
        contract: how it is fed.
        licence: of the weights.
        format: ``onnx``, or ``torch`` (a checkpoint, converted once with the extra [midas]).
        file_name: its name in the cache.
        url: where it is fetched from; None where there is nothing to fetch.
        size_bytes, sha256: of the file; None = not known.
        local_path: a file used where it lies (packaged, or named in the configuration).
    """

    name: str
    what: str
    contract: InputContract
    licence: str
    file_name: str
    format: ModelFormat = "onnx"
    url: str | None = None
    size_bytes: int | None = None
    sha256: str | None = None
    local_path: Path | None = None

    @property
    def packaged(self) -> bool:
        """Whether the model comes with sonar."""
        return self.local_path == BUILTIN_PATH


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A model file that is there and is what it is said to be.

    Attributes:
        name: as in the registry, or the file's stem.
        path: the file.
        format: ``onnx``, or ``torch`` (converted once with the extra [midas]).
        contract: how it is fed.
        sha256: of the file, 64 hex digits.
    """

    name: str
    path: Path
    format: ModelFormat
    contract: InputContract
    sha256: str


BUILTIN = ModelEntry(
    name="builtin",
    what="comes with sonar: small, fast, also marks walkable ground",
    contract=BUILTIN_CONTRACT,
    licence="MIT; some training images are for research use only (CARD.md)",
    file_name="builtin.onnx",
    size_bytes=23_525_700,
    sha256="9e360ad3c58d3d96b81a082dacfa4e1f5820bd15a6db3be224268a36a24c8784",
    local_path=BUILTIN_PATH,
)

OFFICIAL: tuple[ModelEntry, ...] = (
    BUILTIN,
    ModelEntry(
        name="midas_small",
        what="MiDaS v2.1 small, official weights; converted once with the extra [midas]",
        contract=InputContract(),
        format="torch",
        licence="MIT (isl-org/MiDaS)",
        file_name="midas_v21_small_256.pt",
        url=f"{_RELEASES}/midas_v21_small_256.pt",
        size_bytes=85_761_505,
        sha256="70d6b9c891758c67f974a6097fb0c608c7ee67fb81ac3e5588847d5596d56fca",
    ),
    # Mean and deviation are in its graph. Exported at opset 10, which cannot say align_corners:
    # its upsampling differs from the network's own, and so does its output (by about 4 % of the
    # range on average, as reported by others; not measured here).
    ModelEntry(
        name="midas_small_onnx",
        what="MiDaS v2.1 small, official ONNX export: 256x256 only, slightly off midas_small",
        contract=InputContract(
            fit="exact", fixed_hw=(256, 256), multiple=1, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
        ),
        licence="MIT (isl-org/MiDaS)",
        file_name="model-small.onnx",
        url=f"{_RELEASES}/model-small.onnx",
        size_bytes=66_764_249,
        sha256="2d8c6cb8f415229daf1eb041024208e2608c9f98e17c81cc7c6ecb449c56fd58",
    ),
)


def registry(user: Mapping[str, ModelConfig]) -> dict[str, ModelEntry]:
    """Every known model by name: the official ones, then those of the configuration.

    Raises ConfigError when the configuration reuses an official name.
    """
    entries = {entry.name: entry for entry in OFFICIAL}
    for name, described in user.items():
        if name in entries:
            raise ConfigError(f"models.{name}: this name is taken by sonar's own model")
        entries[name] = _from_config(name, described)
    return entries


def _from_config(name: str, described: ModelConfig) -> ModelEntry:
    fixed = None
    if described.height_px is not None and described.width_px is not None:
        fixed = (described.height_px, described.width_px)
    same = set(InputContract.__dataclass_fields__) - {"fixed_hw"}
    return ModelEntry(
        name=name,
        what=described.what,
        contract=InputContract(
            fixed_hw=fixed, **{field: getattr(described, field) for field in same}
        ),
        licence=described.licence,
        file_name=f"{name}.onnx",
        url=described.url,
        size_bytes=described.size_bytes,
        sha256=described.sha256,
        local_path=None if described.path is None else expanded(described.path),
    )
