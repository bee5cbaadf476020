"""sonar: one camera in; stereo tones and short spoken warnings out.

Importing the package loads nothing heavy: models, cameras and sound devices are opened by
:mod:`sonar.app`, the composition root.
"""

import os
import sys

__all__ = ["__version__"]

__version__ = "0.1.0"

# Nothing leaves the machine. Some libraries send usage data unless these are set before their
# import; every entry (command, service, worker, script, API) passes here first.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # ONNX Runtime: Privacy.md in its wheel
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"  # Gradio brings huggingface_hub
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO does without
if "onnxruntime" in sys.modules:  # imported before sonar: the most that is left to do
    sys.modules["onnxruntime"].disable_telemetry_events()
