"""sonar: one camera in; stereo tones and short spoken warnings out.

::

    import sonar

    scene = sonar.look("photo.jpg").scene
    with sonar.open("walk.mp4", mount=sonar.Mount(height_m=1.35, pitch_deg=12)) as run:
        for step in run:
            print(step.frame.t, step.scene.center.band, step.scene.center.distance_m)

Importing the package loads nothing heavy: each name below is loaded when it is first used.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sonar.api import DepthEngine, Session, Zones, look, open, render
    from sonar.config import MountConfig as Mount
    from sonar.errors import (
        ConfigError,
        DepthError,
        DeviceError,
        MissingExtraError,
        ModelError,
        OutputError,
        SonarError,
        SourceError,
        SourceLost,
        SourceTimeout,
        SpeechError,
    )
    from sonar.records import Event, Step
    from sonar.types import (
        Band,
        Column,
        Cue,
        CueKind,
        DepthKind,
        DepthMap,
        Frame,
        Height,
        Priority,
        Reason,
        Scene,
        Side,
        State,
        ZoneReading,
    )

__version__ = "0.1.0"

__all__ = [
    "Band",
    "Column",
    "ConfigError",
    "Cue",
    "CueKind",
    "DepthEngine",
    "DepthError",
    "DepthKind",
    "DepthMap",
    "DeviceError",
    "Event",
    "Frame",
    "Height",
    "MissingExtraError",
    "ModelError",
    "Mount",
    "OutputError",
    "Priority",
    "Reason",
    "Scene",
    "Session",
    "Side",
    "SonarError",
    "SourceError",
    "SourceLost",
    "SourceTimeout",
    "SpeechError",
    "State",
    "Step",
    "ZoneReading",
    "Zones",
    "__version__",
    "look",
    "open",
    "render",
]

_HOMES = ("errors", "types", "config", "records", "api")  # in the order of what they load


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name in __all__:
        for home in _HOMES:
            module = importlib.import_module(f"sonar.{home}")
            own = "MountConfig" if name == "Mount" else name
            if hasattr(module, own):
                globals()[name] = getattr(module, own)
                return globals()[name]
    raise AttributeError(f"module 'sonar' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


# Nothing leaves the machine. Some libraries send usage data unless these are set before their
# import; every entry (command, service, worker, script, API) passes here first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime: Privacy.md in its wheel
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # Gradio brings huggingface_hub
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO does without
if "onnxruntime" in sys.modules:  # imported before sonar: the most that is left to do
    sys.modules["onnxruntime"].disable_telemetry_events()
