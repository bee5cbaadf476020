"""``python -m sonar.service.supervisor.play FILE``: a WAV file through PortAudio.

The alarm's last resort.

A process of its own, because PortAudio may hang and the supervisor must not.
"""

import sys
from pathlib import Path


def main(path: str) -> int:
    """Play; 0 when it was heard to its end, 4 without a device."""
    from sonar.audio.output.portaudio import play_wav
    from sonar.config import AudioConfig
    from sonar.errors import SonarError

    try:
        play_wav(Path(path), AudioConfig())
    except SonarError:
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
