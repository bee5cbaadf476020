"""The configuration: pydantic models here, YAML and precedence in :mod:`sonar.config.load`."""

from pydantic import Field

from sonar.config._base import Section
from sonar.config.audio import AudioConfig, ReplayConfig, SpeechConfig
from sonar.config.capture import CaptureConfig
from sonar.config.controls import ControlsConfig
from sonar.config.engine import EngineConfig
from sonar.config.models import ModelConfig, ModelName
from sonar.config.service import GovernorConfig, RecordingConfig, ServiceConfig
from sonar.config.web import WebConfig
from sonar.config.zones import BandEdges, MountConfig, ZonesConfig

__all__ = [
    "AudioConfig",
    "BandEdges",
    "CaptureConfig",
    "ControlsConfig",
    "EngineConfig",
    "GovernorConfig",
    "ModelConfig",
    "ModelName",
    "MountConfig",
    "RecordingConfig",
    "ReplayConfig",
    "Section",
    "ServiceConfig",
    "SonarConfig",
    "SpeechConfig",
    "WebConfig",
    "ZonesConfig",
]


class SonarConfig(Section):
    """Everything that can be set."""

    capture: CaptureConfig = CaptureConfig()
    engine: EngineConfig = EngineConfig()
    mount: MountConfig = MountConfig()
    zones: ZonesConfig = ZonesConfig()
    audio: AudioConfig = AudioConfig()
    speech: SpeechConfig = SpeechConfig()
    controls: ControlsConfig = ControlsConfig()
    replay: ReplayConfig = ReplayConfig()
    service: ServiceConfig = ServiceConfig()
    web: WebConfig = WebConfig()
    models: dict[ModelName, ModelConfig] = Field(
        default_factory=dict, description="ONNX depth models of your own, by name"
    )
