"""The configuration: :class:`SonarConfig` and its sections, and :func:`load_config`, which reads
defaults, YAML file, environment and ``--set`` in this order, the later outranking the earlier."""

from sonar.config.schema import (
    AudioConfig,
    BandEdges,
    CaptureConfig,
    ControlsConfig,
    EngineConfig,
    ModelConfig,
    MountConfig,
    RecordingConfig,
    ServiceConfig,
    SonarConfig,
    SpeechConfig,
    WebConfig,
    ZonesConfig,
)

__all__ = [
    "AudioConfig",
    "BandEdges",
    "CaptureConfig",
    "ControlsConfig",
    "EngineConfig",
    "ModelConfig",
    "MountConfig",
    "RecordingConfig",
    "ServiceConfig",
    "SonarConfig",
    "SpeechConfig",
    "WebConfig",
    "ZonesConfig",
]
