"""Pictures: one file, or a folder of them as a recording."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sonar.errors import SourceError
from sonar.files import expanded
from sonar.types import Frame, RgbImage

_log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".avif", ".jp2", ".tif", ".tiff", ".exr", ".hdr"}
    | {".pbm", ".pgm", ".ppm", ".pnm", ".pfm"}
)

STILL_FRAMES, STILL_RATE_HZ = 5, 10.0  # how often, and how fast, a still image is seen

_JPEG = b"\xff\xd8\xff"
_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = (_JPEG, _PNG, b"BM", b"II*\0", b"MM\0*", b"P5", b"P6", b"\x76\x2f\x31\x01", b"#?RADIANCE")


def looks_like_image(path: Path) -> bool:
    """By its name, else by its first bytes."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    if path.suffix:
        return False
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


def read_image(path: Path | str) -> RgbImage:
    """Any picture file as uint8 RGB of shape ``(H, W, 3)``, upright by its EXIF orientation.

    Greyscale is repeated over the channels; transparency is laid over white, as viewers show it;
    integers are scaled from their type's full range (16 bit: 65535 becomes 255); floats are taken
    as [0, 1], or as [0, 255] or [0, 65535] where their largest value says so, with NaN and
    infinities black.

    Raises:
        SourceError: missing, empty, not a picture, or cut off.
    """
    import cv2

    path = Path(path)
    data = _bytes(path)
    damaged = SourceError(f"{path} is damaged or is not a picture that can be read.")
    if _is_cut_off(data):
        raise damaged
    buffer = np.frombuffer(data, np.uint8)
    upright = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH  # honours EXIF, loses transparency
    try:
        # Only the unchanged reading shows transparency; JPEG has none.
        picture = None if data.startswith(_JPEG) else cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
        if picture is None or picture.ndim == 2 or picture.shape[2] == 3:
            again = cv2.imdecode(buffer, upright)
            picture = picture if again is None else again
    except cv2.error as error:
        raise damaged from error
    if picture is None or picture.size == 0:
        raise damaged
    return rgb_from_bgr(picture)


def rgb_from_bgr(picture: NDArray[Any]) -> RgbImage:
    """What OpenCV reads, as uint8 RGB ``(H, W, 3)``.

    Args:
        picture: ``(H, W)`` or ``(H, W, 1 to 4)`` of any real type; grey, grey + alpha, BGR, BGRA.
    """
    scaled = _uint8(picture)
    if scaled.ndim == 2:
        scaled = scaled[:, :, None]
    channels = scaled.shape[2]
    alpha = scaled[:, :, -1:] if channels in (2, 4) else None
    colour = scaled[:, :, :1] if channels <= 2 else scaled[:, :, 2::-1]
    if alpha is not None:
        weight = alpha.astype(np.uint16)
        colour = ((colour * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)
    height, width = colour.shape[:2]
    return np.ascontiguousarray(np.broadcast_to(colour, (height, width, 3)))


def _uint8(picture: NDArray[Any]) -> NDArray[np.uint8]:
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype == np.bool_:
        return picture.astype(np.uint8) * np.uint8(255)
    values = np.where(np.isfinite(picture), picture, picture.dtype.type(0))
    if np.issubdtype(picture.dtype, np.integer):
        full = float(np.iinfo(picture.dtype).max)
    else:
        largest = float(values.max(initial=0.0))
        full = next((top for top in (1.0, 255.0, 65535.0) if largest <= top), largest)
    scaled = np.rint(np.clip(values, 0.0, full) * (255.0 / full))
    return scaled.astype(np.uint8)


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise SourceError(f"{path} {'is not a file' if path.exists() else 'does not exist'}.")
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a valid name"
        raise SourceError(f"{path} cannot be read: {reason}.") from error
    if not data:
        raise SourceError(f"{path} is empty (0 bytes).")
    return data


def _is_cut_off(data: bytes) -> bool:
    """Decoders fill the missing part of a cut JPEG or PNG with grey, which looks like a wall."""
    if data.startswith(_PNG):
        return b"IEND" not in data
    if not data.startswith(_JPEG):
        return False
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # padding
            position += 1
            continue
        if marker == 0xDA:  # the picture's own data starts; thumbnails lie before
            return data.find(b"\xff\xd9", position) < 0
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return True


def image_paths(path: Path | str) -> list[Path]:
    """A picture's own path, or a folder's pictures in natural order (2 before 10).

    Raises SourceError where there is nothing, or no picture in the folder.
    """
    path = expanded(path)
    if path.is_file():
        return [path]
    if not path.exists():
        raise SourceError(f"{path} does not exist.")
    try:
        paths = [
            found
            for found in path.iterdir()
            if found.suffix.lower() in IMAGE_SUFFIXES
            and not found.name.startswith(".")
            and found.is_file()
        ]
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    if not paths:
        raise SourceError(f"{path} holds no pictures (such as .jpg or .png).")
    return sorted(paths, key=lambda found: _natural(found.name))


class ImageSource:
    """Pictures in a fixed order as a recording.

    ``Frame.t`` is the picture's number divided by ``rate_hz``. A damaged picture among others is
    skipped and counted in ``corrupt``; its number and time stay empty.

    Args:
        paths: picture files, in order.
        rate_hz: pictures a second, > 0.
        label: for people.
    """

    live = False

    def __init__(self, paths: Sequence[Path], rate_hz: float, label: str) -> None:
        self.label = label
        self.corrupt = 0
        self._paths = tuple(paths)
        self._rate_hz = rate_hz
        self._next: int | None = None
        self._given = 0

    @classmethod
    def of_folder(cls, folder: Path, rate_hz: float) -> "ImageSource":
        """The folder's pictures in natural order (2 before 10). Raises SourceError if none."""
        return cls(image_paths(folder), rate_hz, folder.name)

    @property
    def frame_count(self) -> int | None:
        """How many files there are."""
        return len(self._paths)

    @property
    def rate_hz(self) -> float | None:
        """As given."""
        return self._rate_hz

    @property
    def dropped(self) -> int:
        """Always 0: files wait for their reader."""
        return 0

    def open(self) -> None:
        """Start from the first picture."""
        self._next = self._given = self.corrupt = 0

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture. Raises SourceError when none of them could be read."""
        if self._next is None:
            raise SourceError(f"{self.label} is not open.")
        while self._next < len(self._paths):
            number = self._next
            self._next += 1
            try:
                image = read_image(self._paths[number])
            except SourceError as error:
                if len(self._paths) == 1:
                    raise
                self.corrupt += 1
                _log.warning("%s", error)
                continue
            self._given += 1
            return Frame(image, number, number / self._rate_hz)
        if self._given == 0 and self.corrupt:
            raise SourceError(f"None of the {self.corrupt} pictures in {self.label} can be read.")
        return None

    def close(self) -> None:
        """Nothing to release."""
        self._next = None


class StillImage:
    """One image as a recording of half a second, so that what is seen in it can be believed.

    A zone becomes "clear" only after it has been so for a moment; a single frame would leave it
    unknown. More frames than these would count as a frozen camera.

    Args:
        path: the image file.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.label = path.name
        self._path = path
        self._image: RgbImage | None = None
        self._next = 0

    @property
    def frame_count(self) -> int | None:
        """Always the same."""
        return STILL_FRAMES

    @property
    def rate_hz(self) -> float | None:
        """Always the same."""
        return STILL_RATE_HZ

    @property
    def dropped(self) -> int:
        """Always 0."""
        return 0

    def open(self) -> None:
        """Read the image. Raises SourceError when that cannot be done."""
        self._image, self._next = read_image(self._path), 0

    def read(self, timeout_s: float) -> Frame | None:
        """The image, STILL_FRAMES times."""
        if self._image is None:
            raise SourceError(f"{self.label} is not open.")
        if self._next == STILL_FRAMES:
            return None
        number = self._next
        self._next += 1
        return Frame(self._image, number, number / STILL_RATE_HZ)

    def close(self) -> None:
        """Let go of the image."""
        self._image = None


def _natural(name: str) -> list[tuple[int, str]]:
    """Digits compare as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]
