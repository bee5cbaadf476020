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
    from sonar.api import DepthEngine as DepthEngine
    from sonar.api import Mount as Mount
    from sonar.api import Session as Session
    from sonar.api import Zones as Zones
    from sonar.api import look as look
    from sonar.api import open as open
    from sonar.api import render as render
    from sonar.errors import ConfigError as ConfigError
    from sonar.errors import DepthError as DepthError
    from sonar.errors import DeviceError as DeviceError
    from sonar.errors import MissingExtraError as MissingExtraError
    from sonar.errors import ModelError as ModelError
    from sonar.errors import OutputError as OutputError
    from sonar.errors import SonarError as SonarError
    from sonar.errors import SourceError as SourceError
    from sonar.errors import SourceLost as SourceLost
    from sonar.errors import SourceTimeout as SourceTimeout
    from sonar.errors import SpeechError as SpeechError
    from sonar.records import Event as Event
    from sonar.records import Step as Step
    from sonar.types import Band as Band
    from sonar.types import Column as Column
    from sonar.types import Cue as Cue
    from sonar.types import CueKind as CueKind
    from sonar.types import DepthKind as DepthKind
    from sonar.types import DepthMap as DepthMap
    from sonar.types import Frame as Frame
    from sonar.types import Height as Height
    from sonar.types import Priority as Priority
    from sonar.types import Reason as Reason
    from sonar.types import Scene as Scene
    from sonar.types import Side as Side
    from sonar.types import State as State
    from sonar.types import ZoneReading as ZoneReading

__version__ = "0.1.0"

_PUBLIC = {
    "api": "DepthEngine Mount Session Zones look open render",
    "errors": "ConfigError DepthError DeviceError MissingExtraError ModelError OutputError "
    "SonarError SourceError SourceLost SourceTimeout SpeechError",
    "records": "Event Step",
    "types": "Band Column Cue CueKind DepthKind DepthMap Frame Height Priority Reason Scene Side "
    "State ZoneReading",
}
_HOMES = {name: home for home, names in _PUBLIC.items() for name in names.split()}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sonar' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(f"sonar.{_HOMES[name]}"), name)
    return found


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
