"""Where the mixed sound goes: the sound device, a WAV file, memory, or nowhere.

:func:`open_sink` gives the live one that the configuration asks for.
"""

from sonar.audio.output.device import DeviceSink, open_sink
from sonar.audio.output.sinks import LiveSink, NullSink, OfflineSink, UnheardSink

__all__ = ["DeviceSink", "LiveSink", "NullSink", "OfflineSink", "UnheardSink", "open_sink"]
