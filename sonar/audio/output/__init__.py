"""Where the mixed sound goes: the sound device, a WAV file, or nowhere.

Entry points: :func:`sonar.audio.output.device.open_sink`, :class:`sonar.audio.output.wav.WavSink`,
:class:`sonar.audio.output.null.NullSink`.
"""
