"""Writes a HEIC whose image is a grid of tiles, as phones do (ISO 23008-12, 6.6.2.3)."""

import io
import struct
from collections.abc import Sequence

from PIL import Image


def _box(kind: bytes, *parts: bytes, version: int | None = None, flags: int = 0) -> bytes:
    head = b"" if version is None else struct.pack(">I", version << 24 | flags)
    data = head + b"".join(parts)
    return struct.pack(">I4s", 8 + len(data), kind) + data


def _find(data: bytes, *path: bytes) -> bytes:
    """The payload of the box at ``path``, as ``meta/iprp/ipco/hvcC``."""
    for kind in path:
        at = data.index(kind)
        (size,) = struct.unpack(">I", data[at - 4 : at])
        data = data[at + 4 : at - 4 + size]
    return data


def grid_of(tiles: Sequence[Image.Image], rows: int, columns: int) -> bytes:
    """HEIC bytes of equal square ``tiles``, row by row; needs pillow-heif."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    side = tiles[0].size[0]
    properties, coded = [], []
    for tile in tiles:
        file = io.BytesIO()
        tile.save(file, "HEIF", quality=95)
        data = file.getvalue()
        properties.append(_box(b"hvcC", _find(data, b"meta", b"iprp", b"ipco", b"hvcC")))
        coded.append(_find(data, b"mdat"))
    width, height = columns * side, rows * side
    coded.append(struct.pack(">4B2H", 0, 0, rows - 1, columns - 1, width, height))
    count, grid = len(tiles), len(tiles) + 1
    properties += [
        _box(b"ispe", struct.pack(">2I", side, side), version=0),
        _box(b"ispe", struct.pack(">2I", width, height), version=0),
    ]
    of_tiles = [struct.pack(">HBBB", i + 1, 2, 0x80 | i + 1, count + 1) for i in range(count)]
    association = [struct.pack(">I", grid), *of_tiles, struct.pack(">HBB", grid, 1, count + 2)]
    names = [*[b"hvc1"] * count, b"grid"]
    entries = [
        _box(b"infe", struct.pack(">HH4sB", i + 1, 0, name, 0), version=2, flags=name == b"hvc1")
        for i, name in enumerate(names)
    ]
    tiles_of_grid = struct.pack(f">HH{count}H", grid, count, *range(1, count + 1))

    def meta(start: int) -> bytes:
        places, offset = [], start
        for item, data in enumerate(coded):
            places.append(struct.pack(">HHHII", item + 1, 0, 1, offset, len(data)))
            offset += len(data)
        return _box(
            b"meta",
            _box(b"hdlr", struct.pack(">I4s12xB", 0, b"pict", 0), version=0),
            _box(b"pitm", struct.pack(">H", grid), version=0),
            _box(b"iloc", struct.pack(">BBH", 0x44, 0, grid), *places, version=0),
            _box(b"iinf", struct.pack(">H", grid), *entries, version=0),
            _box(b"iref", _box(b"dimg", tiles_of_grid), version=0),
            _box(b"iprp", _box(b"ipco", *properties), _box(b"ipma", *association, version=0)),
            version=0,
        )

    kind = _box(b"ftyp", b"heic\0\0\0\0mif1heic")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + _box(b"mdat", *coded)
