"""Still images: a file, an array, or the images of a folder, as a recording."""

import logging
import re
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sonar.capture.media import Recording, check_file
from sonar.errors import MissingExtraError, SonarError, SourceError
from sonar.files import expanded
from sonar.types import Frame, RgbImage

_log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".avif", ".heic", ".heif", ".jp2"}
    | {".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm"}
)
STILL_FRAMES, STILL_RATE_HZ = 5, 10.0  # how often, and how fast, a single image is seen
FOLDER_RATE_HZ = 2.0  # slow enough to look at each image

# What Pillow may try on a stranger's bytes: not the formats that start other programs (EPS).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "JPEG2000", "TIFF", "PPM")
# Several images in one file of these formats are frames, one after the other. In others (the MPO
# of phones, HEIF) the first is the photo and the rest are previews and maps that belong to it.
_ANIMATED = frozenset(("GIF", "PNG", "WEBP", "AVIF", "TIFF"))
_BY_FFMPEG = frozenset(("GIF", "PNG"))  # animations that ffmpeg reads whole
# ISO 23008-12 brands, at byte 8: HEIF images, and sequences of them.
_HEIF_IMAGES = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1"))
_HEIF_SEQUENCES = frozenset((b"hevc", b"hevx", b"msf1"))
_RAW_VIDEO = frozenset((".mjpeg", ".mjpg"))  # begins like a JPEG
_SUBFILE_TAG, _REDUCED = 254, 1  # TIFF: "a reduced-resolution version of another image"
_ORIENTATION_TAG = 0x0112
# EXIF orientation to Pillow's Transpose: 0 mirror left-right, 1 mirror top-bottom, 2/3/4 rotate by
# 90/180/270 degrees to the left, 5 transpose, 6 transverse.
_TRANSPOSE = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}


def is_image(path: Path) -> bool:
    """Whether ``path`` is an image, by its first bytes, else by its name; not an animation that
    is a video to ffmpeg (GIF, APNG)."""
    from PIL import Image

    suffix = path.suffix.lower()
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS) as file:
            moving = file.format in _BY_FFMPEG and getattr(file, "n_frames", 1) > 1
            return not moving and suffix not in _RAW_VIDEO
    except Exception:  # a stranger made the file: Pillow may raise anything
        brand = _brand(path)
        if brand is not None:
            return brand in _HEIF_IMAGES | _HEIF_SEQUENCES | {b"avif", b"avis"}
        return suffix in IMAGE_SUFFIXES


def read_image(path: Path | str) -> RgbImage:
    """The image in a file, upright by its EXIF or container orientation.

    Grayscale is repeated over the channels; transparency is laid over white, as viewers show it;
    16 bits are scaled to 8.

    Returns:
        uint8 RGB array of shape ``(H, W, 3)``.

    Raises:
        SourceError: not an image that can be read whole. Whatever the reader raises becomes one: a
            stranger made the file.
        MissingExtraError: a HEIC image, and its reader is not installed.
    """
    from PIL import Image, UnidentifiedImageError

    path = Path(path)
    check_file(path)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd EXIF, and large images
    formats = (*_FORMATS, "HEIF") if _is_heif(path) else _FORMATS
    try:
        with Image.open(path, formats=formats) as file:
            _check_single(path, file)
            return _rgb(path, file)
    except SonarError:
        raise
    except UnidentifiedImageError:
        raise SourceError(
            f"{path} is not an image that sonar can read, or it is damaged: convert it to PNG or "
            "JPEG."
        ) from None
    except (Image.DecompressionBombError, MemoryError):
        raise SourceError(f"{path} is too large: make it smaller than 100 megapixels.") from None
    except Exception as error:
        raise SourceError(f"{path} is damaged or cut off.") from error


def image_paths(path: Path | str) -> list[Path]:
    """An image's own path, or a folder's images in natural order (2 before 10).

    Raises SourceError where there is nothing, or no image in the folder.
    """
    path = expanded(path)
    check_file(path, or_folder=True)
    if not path.is_dir():
        return [path]
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
        raise SourceError(f"{path} holds no images (such as .jpg or .png).")
    return sorted(paths, key=lambda found: _natural(found.name))


class ImageSource(Recording):
    """Images as a recording.

    A single one is seen for half a second, so that it can be believed: a zone becomes "clear" only
    after it has been so for a moment, and more frames would count as a frozen camera. One of
    several lasts half a second; a damaged one among them is skipped and counted in ``corrupt``, and
    its number and its time stay empty.

    Args:
        images: files, or uint8 RGB arrays (H, W, 3), in order.
        label: for people.
    """

    def __init__(self, images: Sequence[Path | RgbImage], label: str) -> None:
        self._images = images
        one = len(images) == 1
        super().__init__(label, STILL_RATE_HZ if one else FOLDER_RATE_HZ)
        self.frame_count = STILL_FRAMES if one else len(images)

    def _play(self) -> Generator[Frame | None, None, None]:
        first, period_s = self._images[0], 1.0 / (self.rate_hz or FOLDER_RATE_HZ)
        if len(self._images) == 1:
            image = read_image(first) if isinstance(first, Path) else first
            yield None
            for number in range(STILL_FRAMES):
                yield Frame(image, number, number * period_s, period_s)
            return
        yield None
        for number, item in enumerate(self._images):
            try:
                image = read_image(item) if isinstance(item, Path) else item
            except SonarError as error:
                self.corrupt += 1
                _log.warning("%s", error)
            else:
                yield Frame(image, number, number * period_s, period_s)
        if self.corrupt == len(self._images):
            raise SourceError(f"None of the {self.corrupt} images in {self.label} can be read.")


def _check_single(path: Path, image: Any) -> None:
    """Raises SourceError where the first image would be a part of the file only."""
    count = int(getattr(image, "n_frames", 1))
    if image.format == "TIFF":
        reduced = []
        for page in range(count):
            image.seek(page)
            reduced.append(bool(image.tag_v2.get(_SUBFILE_TAG, 0) & _REDUCED))
        image.seek(0)
        if reduced[0] or _head(path)[8:10] == b"CR":
            raise SourceError(
                f"{path} is a camera's raw file, of which sonar reads the preview only: "
                "convert it to JPEG."
            )
        count = reduced.count(False)  # previews behind the image belong to it
    if image.format in _ANIMATED and count > 1:
        raise SourceError(
            f"{path} holds {count} frames, not one image: convert it to MP4 for `sonar replay`, or "
            "save the frame that you mean as PNG."
        )


def _rgb(path: Path, image: Any) -> RgbImage:
    from PIL import Image

    image.load()  # which turns a TIFF already
    try:
        # Not ImageOps.exif_transpose: it also writes the EXIF anew and fails where that is odd.
        # Of AVIF, Pillow gives the container's own boxes as EXIF.
        method = _TRANSPOSE.get(image.getexif().get(_ORIENTATION_TAG))
    except Exception:  # EXIF that cannot be read: viewers show the image as it is stored
        method = None
    if method is not None:
        image = image.transpose(method)
    if image.mode == "F":
        raise SourceError(f"{path} holds floating-point values: convert it to PNG.")
    if image.mode.startswith("I"):  # 16 bits of gray
        gray = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(np.minimum((gray + 128) // 257, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _is_heif(path: Path) -> bool:
    """Its reader is registered then."""
    brand = _brand(path)
    if brand in _HEIF_SEQUENCES:
        raise SourceError(
            f"{path} is a HEIF sequence, which sonar does not read: convert it to MP4."
        )
    if brand not in _HEIF_IMAGES:
        return False
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError(
            "heic", f"{path} is a HEIC image: convert it to JPEG, or reading it"
        ) from None
    pillow_heif.register_heif_opener()
    return True


def _brand(path: Path) -> bytes | None:
    """Of a file in the ISO base media format, as are HEIF, AVIF and MP4; None of another."""
    head = _head(path)
    return head[8:12] if head[4:8] == b"ftyp" else None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except (OSError, ValueError):
        return b""


def _natural(name: str) -> list[int | str]:
    """Digits, at every second place, compare as numbers."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name.lower()))]
