"""Which depth models there are, and bringing their files here. Entry point: :class:`Store`."""

from sonar.depth.contract import InputContract
from sonar.depth.models.registry import ModelEntry, ResolvedModel
from sonar.depth.models.store import Store

__all__ = ["InputContract", "ModelEntry", "ResolvedModel", "Store"]
