"""The embedded clip: a walk past obstacles, rendered by MuJoCo with the first edition of sonar.

``walk.mp4``: H.264, 640x480, 25 frames a second. It stays as it is.
"""

from pathlib import Path

from sonar.config import MountConfig

CLIP = Path(__file__).with_name("walk.mp4")
MOUNT = MountConfig(height_m=1.35, pitch_deg=10.0, roll_deg=0.0, hfov_deg=62.0)
