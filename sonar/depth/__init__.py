"""Depth from one image: preprocessing, networks' backends, checks, and making them fast.

``open_engine`` is the way in. Nothing here imports onnxruntime,
openvino or torch before a backend of theirs is opened.
"""

from sonar.depth.select import open_engine

__all__ = ["open_engine"]
