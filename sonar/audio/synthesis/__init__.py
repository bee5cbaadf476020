"""Cues to samples: tones, earcons, speech, panning, mixing. numpy only.

:class:`Mixer` renders what the newest cue asks for, one block after the other, without a clock.
"""

from sonar.audio.synthesis.earcons import EARCONS, Earcon, render_earcons
from sonar.audio.synthesis.mixer import SILENCE, Mixer, Onset

__all__ = ["EARCONS", "SILENCE", "Earcon", "Mixer", "Onset", "render_earcons"]
