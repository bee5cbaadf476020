"""Everything sonar raises on purpose.

::

    SonarError                     exit code 1
    +-- ConfigError                2   a config file, key or value is wrong
    |   +-- MissingExtraError      2   an optional extra is not installed
    +-- SourceError                3   the input cannot be read
    |   +-- SourceTimeout          3   nothing arrived in time (a live source may recover)
    |   +-- SourceLost             3   the source is gone for good
    +-- OutputError                3   a result cannot be written (full disk, read-only folder)
    +-- DeviceError                4   a camera or a sound device
    |   +-- SpeechError            4   the speech synthesizer
    +-- ModelError                 5   a model file is missing, damaged or of the wrong kind
        +-- DepthError             5   the network failed, or gave something that is not depth

Each message is one sentence for a person: what is wrong and, where possible, what to do.
Exit code 130 is Ctrl-C; 6 is BROKEN.
"""

BROKEN = 6  # exit code of a guide whose network hangs or fails all the time: start a new process


class SonarError(Exception):
    """Base of every error that sonar raises on purpose; ``exit_code`` is the command line's.

    Examples:
        >>> try:
        ...     sonar.look("nowhere.jpg")
        ... except sonar.SonarError as error:
        ...     print(error, error.exit_code)
        nowhere.jpg does not exist. 3
    """

    exit_code = 1


class ConfigError(SonarError):
    """A configuration file, key or value is wrong."""

    exit_code = 2


class MissingExtraError(ConfigError):
    """An optional extra is needed; the message names the command that installs it."""

    def __init__(self, extra: str, purpose: str) -> None:
        self.extra = extra
        super().__init__(f"{purpose} needs an extra: pip install 'sonar-assist[{extra}]'")


class SourceError(SonarError):
    """The input cannot be opened or read."""

    exit_code = 3


class SourceTimeout(SourceError):
    """A live source gave no frame within the time allowed."""


class SourceLost(SourceError):
    """A connection to a live source is gone, or the source is."""


class OutputError(SonarError):
    """A result cannot be written."""

    exit_code = 3


class DeviceError(SonarError):
    """A camera or sound device is absent or failed."""

    exit_code = 4


class SpeechError(DeviceError):
    """The speech synthesizer is missing, failed or hung."""


class ModelError(SonarError):
    """A model file is missing, damaged or of the wrong kind."""

    exit_code = 5


class DepthError(ModelError):
    """Inference failed, or its output is not a depth map (NaN, constant, wrong shape)."""
