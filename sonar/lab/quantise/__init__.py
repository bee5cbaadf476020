"""Makes the files of a model that run fastest: exact rewrites of its graph, and int8.

Entry points: :func:`optimise` for a user's model, :func:`quantise` for one ONNX file.
"""

from sonar.lab.quantise.artefacts import PRECISIONS, Artefact, optimise

__all__ = ["PRECISIONS", "Artefact", "optimise"]
