"""Stands in for OpenCV's camera."""

import threading
from collections.abc import Iterable
from typing import Any

from sonar.testing.capture import Hang


class FakeVideoCapture:
    """Stands in for ``cv2.VideoCapture`` where a camera is wanted without one.

    Items, one per ``grab``: a BGR array (or None, or anything else the driver might give) is what
    ``retrieve`` returns; ``Hang`` blocks ``grab`` until ``release``; an exception is raised.
    After the last item ``grab`` returns False, as after an unplugged cable.

    Args:
        items: see above.
        opens: False for a camera that cannot be opened.

    Attributes:
        settings: what was asked for, by property number.
        released: whether ``release`` was called.
    """

    def __init__(self, items: Iterable[Any] = (), *, opens: bool = True) -> None:
        self.settings: dict[int, float] = {}
        self.released = False
        self._items = list(items)
        self._opens = opens
        self._frame: Any = None
        self._free = threading.Event()

    def isOpened(self) -> bool:
        return self._opens and not self.released

    def set(self, prop: int, value: float) -> bool:
        self.settings[prop] = value
        return True

    def get(self, prop: int) -> float:
        return self.settings.get(prop, 0.0)

    def grab(self) -> bool:
        if not self._items:
            return False
        item = self._items.pop(0)
        if isinstance(item, Exception):
            raise item
        if isinstance(item, Hang):
            self._free.wait(item.limit_s)
            return False
        self._frame = item
        return True

    def retrieve(self) -> tuple[bool, Any]:
        return self._frame is not None, self._frame

    def release(self) -> None:
        self.released = True
        self._free.set()
