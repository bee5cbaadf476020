"""Cues to samples: tones, earcons, panning, mixing. numpy only."""
