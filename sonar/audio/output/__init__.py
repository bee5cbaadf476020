"""Where the mixed sound goes: the sound device (:func:`open_sink`), a WAV file, memory, nowhere."""

from sonar.audio.output.device import DeviceSink, open_sink
from sonar.audio.output.sinks import LiveSink, NullSink, OfflineSink, UnheardSink

__all__ = ["DeviceSink", "LiveSink", "NullSink", "OfflineSink", "UnheardSink", "open_sink"]
