"""sonar: one camera in; stereo tones and short spoken warnings out.

Importing the package loads nothing heavy: models, cameras and sound devices are opened by
:mod:`sonar.app`, the composition root.
"""

__all__ = ["__version__"]

__version__ = "0.1.0"
