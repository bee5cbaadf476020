"""Images and animations: one file, or the images of a folder, as a recording."""

import logging
import re
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
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
# What Pillow may try on a stranger's bytes: not the formats that start other programs (EPS).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "JPEG2000", "TIFF", "PPM")
# ISO 23008-12 brands, at byte 8: HEIF images, and sequences of them.
_HEIF_IMAGES = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1"))
_HEIF_SEQUENCES = frozenset((b"hevc", b"hevx", b"msf1"))
# Several images in one file of these formats are frames, one after the other. In others (the MPO
# of phones, HEIF) the first is the photo and the rest are previews and maps that belong to it.
_ANIMATED = frozenset(("GIF", "PNG", "WEBP", "AVIF", "TIFF"))
STILL_FRAMES, STILL_RATE_HZ = 5, 10.0  # how often, and how fast, a single still image is seen
_UNTIMED_S = 0.1  # a frame of an animation that states no time, as browsers show it
_LONGEST_S = 60.0
_SUBFILE_TAG, _REDUCED = 254, 1  # TIFF: "a reduced-resolution version of another image"
_ORIENTATION_TAG = 0x0112
# EXIF orientation to Pillow's Transpose: 0 mirror left-right, 1 mirror top-bottom, 2/3/4 rotate by
# 90/180/270 degrees to the left, 5 transpose, 6 transverse.
_TRANSPOSE = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_RAW_VIDEO = frozenset((".mjpeg", ".mjpg"))  # begins like a JPEG


def is_image(path: Path) -> bool:
    """Whether ``path`` is an image or an animation: by its first bytes, else by its name."""
    from PIL import Image

    if path.suffix.lower() in _RAW_VIDEO:
        return False
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=_FORMATS):
            return True
    except Exception:  # a stranger made the file: Pillow may raise anything
        if _heif_brand(path) is not None:
            return True
        head = _head(path)
        is_video = head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis")
        return path.suffix.lower() in IMAGE_SUFFIXES and not is_video


def read_image(path: Path | str) -> RgbImage:
    """The image in a file, upright by its EXIF or container orientation.

    Grayscale is repeated over the channels; transparency is laid over white, as viewers show it;
    16 bits are scaled to 8.

    Returns:
        uint8 RGB array of shape ``(H, W, 3)``.

    Raises:
        SourceError: not an image that can be read whole, or an animation: what is read would be
            a part of it.
        MissingExtraError: a HEIC image, and its reader is not installed.
    """
    path = Path(path)
    with _opened(path, still=True) as (file, _):
        return _rgb(path, file)


def image_paths(path: Path | str) -> list[Path]:
    """An image's own path, or a folder's images in natural order (2 before 10).

    Raises SourceError where there is nothing, or no image in the folder.
    """
    path = expanded(path)
    if not path.is_dir():
        check_file(path)
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
    """Image files in a fixed order as a recording.

    A still image and a page of a TIFF last ``1 / rate_hz`` seconds, a frame of an animation (GIF,
    APNG, animated WebP, AVIF sequence) as long as it states. A damaged file among others is
    skipped and counted in ``corrupt``; its number and its time stay empty.

    Args:
        paths: image files, in order.
        rate_hz: still images a second, > 0.
        label: for people.
        repeat: how often a single still image is seen, at :data:`STILL_RATE_HZ`; 1 = as others.
        animations: False refuses them.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        rate_hz: float,
        label: str,
        repeat: int = 1,
        animations: bool = True,
    ) -> None:
        super().__init__(label, rate_hz, len(paths))
        self._paths, self._repeat, self._animations = tuple(paths), repeat, animations

    @classmethod
    def of_folder(cls, folder: Path, rate_hz: float) -> "ImageSource":
        """The folder's images in natural order (2 before 10). Raises SourceError if none."""
        return cls(image_paths(folder), rate_hz, folder.name)

    @classmethod
    def of_file(cls, path: Path, rate_hz: float = 1.0, *, animations: bool = True) -> "ImageSource":
        """One file. A still image is seen for half a second, so that it can be believed: a zone
        becomes "clear" only after it has been so for a moment, and more frames would count as a
        frozen camera."""
        return cls([path], rate_hz, path.name, STILL_FRAMES, animations)

    def _play(self) -> Generator[Frame | None, None, None]:
        single, number, t = len(self._paths) == 1, 0, 0.0
        still_s = 1.0 / (self.rate_hz or STILL_RATE_HZ)
        if not single:
            yield None
        for path in self._paths:
            try:
                with _opened(path, still=not self._animations) as (file, numbers):
                    repeat = self._repeat if len(numbers) == 1 else 1
                    if single:
                        self.frame_count = repeat * len(numbers)
                        if repeat > 1:
                            self.rate_hz, still_s = STILL_RATE_HZ, 1.0 / STILL_RATE_HZ
                        yield None
                    for index in numbers:
                        shown_s = still_s
                        if len(numbers) > 1:
                            file.seek(index)
                        image = _rgb(path, file)
                        if len(numbers) > 1 and file.format != "TIFF":
                            stated_s = float(file.info.get("duration") or 0.0) / 1000.0
                            shown_s = min(stated_s, _LONGEST_S) or _UNTIMED_S
                        for _ in range(repeat):
                            yield Frame(image, number, t, shown_s)
                            number, t = number + 1, t + shown_s
            except SonarError as error:
                if single:
                    raise
                self.corrupt += 1
                number, t = number + 1, t + still_s
                _log.warning("%s", error)
        if self.corrupt == len(self._paths):
            raise SourceError(f"None of the {self.corrupt} images in {self.label} can be read.")


@contextmanager
def _opened(path: Path, still: bool) -> Iterator[tuple[Any, range]]:
    """An image file opened with Pillow, and the numbers of its frames.

    Every error of the reader, of whatever class, is a SourceError: a stranger made the file.
    """
    check_file(path)
    from PIL import Image, UnidentifiedImageError

    warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd EXIF, and large images
    formats = (*_FORMATS, *_heif_format(path))
    try:
        with Image.open(path, formats=formats) as file:
            numbers = _layout(path, file)
            if still and len(numbers) > 1:
                raise SourceError(
                    f"{path} holds {len(numbers)} frames, not one image: use `sonar replay`, or "
                    "save the frame that you mean as PNG."
                )
            yield file, numbers
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


def _layout(path: Path, image: Any) -> range:
    """The numbers of the frames."""
    if image.format not in _ANIMATED:
        return range(1)
    count = int(getattr(image, "n_frames", 1))
    if image.format == "TIFF":
        for page in range(count):
            image.seek(page)
            if image.tag_v2.get(_SUBFILE_TAG, 0) & _REDUCED:  # these come last
                count = page
                break
        image.seek(0)
        if count == 0 or _head(path)[8:10] == b"CR":
            raise SourceError(
                f"{path} is a camera's raw file, of which sonar reads the preview only: "
                "convert it to JPEG."
            )
    # APNG may have an image of its own for viewers without animation.
    return range(1 if count > 1 and getattr(image, "default_image", False) else 0, count)


def _rgb(path: Path, file: Any) -> RgbImage:
    from PIL import Image

    image = _upright(file)
    if image.mode == "F":
        raise SourceError(f"{path} holds floating-point values: convert it to PNG.")
    if image.mode.startswith("I"):  # 16 bits of gray
        gray = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(np.minimum((gray + 128) // 257, 255).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def _upright(image: Any) -> Any:
    """Turned and mirrored as EXIF (or AVIF's own boxes, which Pillow gives as EXIF) says.

    Not with ``ImageOps.exif_transpose``: it also writes the EXIF anew and fails where that is odd.
    """
    image.load()  # which turns a TIFF already
    try:
        method = _TRANSPOSE.get(image.getexif().get(_ORIENTATION_TAG))
    except Exception:  # EXIF that cannot be read: viewers show the image as it is stored
        method = None
    return image if method is None else image.transpose(method)


def _heif_format(path: Path) -> tuple[str, ...]:
    """Pillow's name of HEIF where the file is one; its reader is registered then."""
    brand = _heif_brand(path)
    if brand is None:
        return ()
    if brand in _HEIF_SEQUENCES:
        raise SourceError(
            f"{path} is a HEIF sequence, which sonar does not read: convert it to MP4."
        )
    try:
        import pillow_heif
    except ImportError:
        raise MissingExtraError(
            "heic", f"{path} is a HEIC image: convert it to JPEG, or reading it"
        ) from None
    pillow_heif.register_heif_opener()
    return ("HEIF",)


def _heif_brand(path: Path) -> bytes | None:
    head = _head(path)
    is_heif = head[4:8] == b"ftyp" and head[8:12] in _HEIF_IMAGES | _HEIF_SEQUENCES
    return head[8:12] if is_heif else None


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except (OSError, ValueError):
        return b""


def _natural(name: str) -> list[int | str]:
    """Digits, at every second place, compare as numbers."""
    return [int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", name.lower()))]
