"""Images and animations: one file, or the images of a folder, as a recording."""

import logging
import re
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from sonar.capture.names import check_file
from sonar.errors import MissingExtraError, SonarError, SourceError
from sonar.files import expanded, printable
from sonar.types import Frame, RgbImage

_log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".avif", ".heic", ".heif", ".jp2"}
    | {".tif", ".tiff", ".pbm", ".pgm", ".ppm", ".pnm"}
)
# What Pillow may try on a stranger's bytes: not the formats that start other programs (EPS).
_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "AVIF", "JPEG2000", "TIFF", "PPM")
_MAGIC = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"P4\n", b"P5\n", b"P6\n"),
    *(b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  \r\n\x87\n"),
)
# ISO 23008-12 brands, at byte 8: HEIF images, and sequences of them.
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"mif1", b"hevc", b"hevx", b"msf1"))
_HEIF_SEQUENCES = frozenset((b"hevc", b"hevx", b"msf1"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))

# Several images in one file of these formats are frames, one after the other. In others (the MPO
# of phones, HEIF) the first is the photo and the rest are previews and maps that belong to it.
_ANIMATED = frozenset(("GIF", "PNG", "WEBP", "AVIF", "TIFF"))
STILL_FRAMES, STILL_RATE_HZ = 5, 10.0  # how often, and how fast, a single still image is seen
_UNTIMED_S = 0.1  # a frame of an animation that states no time, as browsers show it
_LONGEST_S = 60.0
_REDUCED, _SUBFILE_TAG = 1, 254  # TIFF: "a reduced-resolution version of another image"
_ORIENTATION_TAG = 0x0112
# EXIF orientation to Pillow's Transpose: 0 mirror left-right, 1 mirror top-bottom, 2/3/4 rotate by
# 90/180/270 degrees to the left, 5 transpose, 6 transverse.
_TRANSPOSE = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}
_RAW_VIDEO = frozenset((".mjpeg", ".mjpg"))  # begins like a JPEG


def is_image(path: Path) -> bool:
    """Whether ``path`` is an image or an animation: by its first bytes, else by its name."""
    if path.suffix.lower() in _RAW_VIDEO:
        return False
    head = _head(path)
    if head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return True
    if head[4:8] == b"ftyp":
        return head[8:12] in _HEIF_BRANDS | _AVIF_BRANDS
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_image(path: Path | str) -> RgbImage:
    """The image in a file, upright by its EXIF or container orientation.

    Grayscale is repeated over the channels; transparency is laid over white, as viewers show it;
    16 bits are scaled to 8.

    Returns:
        uint8 RGB array of shape ``(H, W, 3)``.

    Raises:
        SourceError: missing, empty, not an image that can be read, damaged or cut off, or an
            animation: what is read would be a part of it.
        MissingExtraError: a HEIC image, and its reader is not installed.
    """
    path = Path(path)
    with _Opened(path) as opened:
        opened.must_be_still()
        return opened.frame(0)[0]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Every error of the reader, of whatever class, as a SourceError: a stranger made the file."""
    from PIL import Image, UnidentifiedImageError

    try:
        yield
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
        if isinstance(error, OSError) and error.errno is not None:
            raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
        raise SourceError(f"{path} is damaged or cut off.") from error


class _Opened:
    """An image file opened with Pillow: its frames one by one, each upright RGB."""

    def __init__(self, path: Path) -> None:
        check_file(path)
        self._path = path
        self._image: Any = None
        from PIL import Image

        warnings.filterwarnings("ignore", module=r"PIL\.")  # of odd EXIF, and large images
        head = _head(path)
        formats = [*_FORMATS]
        if head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS:
            formats.append(self._heif(head[8:12]))
        try:
            with _reading(path):
                self._image = Image.open(path, formats=formats)
                self._first, self.count = self._layout(head)
        except SonarError:
            self.close()
            raise

    def __enter__(self) -> "_Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        if self._image is not None:
            self._image.close()

    def must_be_still(self) -> None:
        """Raises SourceError for an animation."""
        if self.count > 1:
            raise SourceError(
                f"{self._path} holds {self.count} frames, not one image: use `sonar replay`, or "
                "save the frame that you mean as PNG."
            )

    def frame(self, number: int) -> tuple[RgbImage, float | None]:
        """Frame ``number`` of ``count``, and the seconds it is shown; None for a still image."""
        with _reading(self._path):
            if self.count > 1:
                self._image.seek(self._first + number)
            image = self._rgb()
            shown_ms = self._image.info.get("duration")
        if self.count == 1 or self._image.format == "TIFF":
            return image, None
        shown_s = float(shown_ms or 0.0) / 1000.0
        return image, min(shown_s, _LONGEST_S) if shown_s > 0.0 else _UNTIMED_S

    def _rgb(self) -> RgbImage:
        from PIL import Image

        image = _upright(self._image)
        if image.mode == "F":
            raise SourceError(f"{self._path} holds floating-point values: convert it to PNG.")
        if image.mode.startswith("I"):  # 16 bits of gray
            gray = np.asarray(image).astype(np.uint32)
            image = Image.fromarray(np.minimum((gray + 128) // 257, 255).astype(np.uint8))
        if image.has_transparency_data:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))

    def _layout(self, head: bytes) -> tuple[int, int]:
        """Number of the first frame, and how many there are."""
        image = self._image
        if image.format not in _ANIMATED:
            return 0, 1
        count = int(getattr(image, "n_frames", 1))
        if image.format == "TIFF":
            if head[8:10] == b"CR" or self._is_preview(0):
                raise SourceError(
                    f"{self._path} is a camera's raw file, of which sonar reads the preview only: "
                    "convert it to JPEG."
                )
            count = next((page for page in range(1, count) if self._is_preview(page)), count)
            image.seek(0)
        if count > 1 and getattr(image, "default_image", False):
            return 1, count - 1  # what viewers without animation show
        return 0, count

    def _is_preview(self, page: int) -> bool:
        """Whether a page of a TIFF is a reduced version of another; these come last."""
        self._image.seek(page)
        return bool(self._image.tag_v2.get(_SUBFILE_TAG, 0) & _REDUCED)

    def _heif(self, brand: bytes) -> str:
        if brand in _HEIF_SEQUENCES:
            raise SourceError(
                f"{self._path} is a HEIF sequence, which sonar does not read: convert it to MP4."
            )
        try:
            import pillow_heif
        except ImportError:
            raise MissingExtraError(
                "heic", f"{self._path} is a HEIC image: convert it to JPEG, or reading it"
            ) from None
        pillow_heif.register_heif_opener()
        return "HEIF"


def _upright(image: Any) -> Any:
    """Turned and mirrored as EXIF (or AVIF's own boxes, which Pillow gives as EXIF) says.

    Not with ``ImageOps.exif_transpose``: it also writes the EXIF anew and fails where that is odd.
    """
    image.load()  # which turns a TIFF already
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG)
    except Exception:  # EXIF that cannot be read: viewers show the image as it is stored
        orientation = None
    method = _TRANSPOSE.get(orientation)
    return image if method is None else image.transpose(method)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except (OSError, ValueError):
        return b""


def image_paths(path: Path | str) -> list[Path]:
    """An image's own path, or a folder's images in natural order (2 before 10).

    Raises SourceError where there is nothing, or no image in the folder.
    """
    path = expanded(path)
    if path.is_file():
        return [path]
    if not path.exists():
        raise SourceError(f"{path} does not exist.")
    if not path.is_dir():
        raise SourceError(f"{path} is neither an image file nor a folder of images.")
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


class ImageSource:
    """Image files in a fixed order as a recording.

    A still image and a page of a TIFF last ``1 / rate_hz`` seconds, a frame of an animation (GIF,
    APNG, animated WebP, AVIF sequence) as long as it states. A damaged file among others is
    skipped and counted in ``corrupt``; its number and its time stay empty.

    Args:
        paths: image files, in order.
        rate_hz: still images a second, > 0.
        label: for people.

    Attributes:
        corrupt: files that could not be read.
        frame_count: of files, or of frames in the one animation once it is open.
        rate_hz: still images a second.
    """

    live = False
    dropped = 0  # files wait for their reader

    def __init__(self, paths: Sequence[Path], rate_hz: float, label: str) -> None:
        self.label = printable(label)
        self.corrupt = 0
        self._paths = tuple(paths)
        self.rate_hz = rate_hz
        self.frame_count = len(self._paths)
        self._repeat, self._animations = 1, True
        self._frames: Generator[Frame, None, None] | None = None

    @classmethod
    def of_folder(cls, folder: Path, rate_hz: float) -> "ImageSource":
        """The folder's images in natural order (2 before 10). Raises SourceError if none."""
        return cls(image_paths(folder), rate_hz, folder.name)

    @classmethod
    def of_file(cls, path: Path, rate_hz: float = 1.0, *, animations: bool = True) -> "ImageSource":
        """One file. A still image is seen for half a second, so that it can be believed: a zone
        becomes "clear" only after it has been so for a moment, and more frames would count as a
        frozen camera. Where ``animations`` is False, ``open`` refuses one."""
        source = cls([path], rate_hz, path.name)
        source._repeat, source._animations = STILL_FRAMES, animations
        return source

    def open(self) -> None:
        """Start from the first image. Raises SourceError where the only file cannot be read."""
        self.close()
        self.corrupt = 0
        if len(self._paths) == 1:
            with _Opened(self._paths[0]) as opened:
                if not self._animations:
                    opened.must_be_still()
                self.frame_count = opened.count
                if self._repeat > 1 and opened.count == 1:
                    self.frame_count, self.rate_hz = self._repeat, STILL_RATE_HZ
        self._frames = self._read_all()

    def read(self, timeout_s: float) -> Frame | None:
        """The next frame. Raises SourceError when none of the files could be read."""
        if self._frames is None:
            raise SourceError(f"{self.label} is not open.")
        return next(self._frames, None)

    def close(self) -> None:
        """Release the file that is being read."""
        frames, self._frames = self._frames, None
        if frames is not None:
            frames.close()

    def _read_all(self) -> Generator[Frame, None, None]:
        number, t, given = 0, 0.0, 0
        still_s = 1.0 / self.rate_hz
        for path in self._paths:
            try:
                with _Opened(path) as opened:
                    for index in range(opened.count):
                        image, stated_s = opened.frame(index)
                        shown_s = stated_s or still_s
                        for _ in range(self._repeat if opened.count == 1 else 1):
                            yield Frame(image, number, t, shown_s)
                            number, given, t = number + 1, given + 1, t + shown_s
            except SonarError as error:
                if len(self._paths) == 1:
                    raise
                self.corrupt += 1
                number, t = number + 1, t + still_s
                _log.warning("%s", error)
        if given == 0:
            raise SourceError(f"None of the {self.corrupt} images in {self.label} can be read.")


def _natural(name: str) -> list[tuple[int, str]]:
    """Digits compare as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part)
        for part in re.split(r"(\d+)", name.casefold())
        if part
    ]
