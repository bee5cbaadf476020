"""Who takes commands while guiding: keys of a terminal, a local socket, buttons.

Each has a thread of its own: one that is slow or fails does not hold up the others. Each hands a
line such as ``volume up`` to one function, and gives back what it changed when it is closed,
whatever happened in between.
"""

import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from time import monotonic
from typing import Protocol

from sonar.config import ControlsConfig
from sonar.controls.controls import Controls
from sonar.errors import DeviceError
from sonar.threads import Announce, GuardedThread

Do = Callable[[str], str]
"""Takes a command, returns its answer."""

LOOK_S = 0.2  # between looks for what listens now: a device that came, a terminal in front again
_PATIENCE_S = 2.0  # for a command in hand, at the end


class Listener(Protocol):
    """One way to give commands: file descriptors to wait for, asked before each wait, and what
    takes that which came at one of them."""

    def files(self) -> Sequence[int]: ...
    def read(self, file: int) -> None: ...
    def close(self) -> None: ...


@contextmanager
def listening(
    controls: Controls, config: ControlsConfig, *, keyboard: bool = False
) -> Iterator[list[str]]:
    """While inside, commands reach ``controls``; ``keyboard`` is for runs that own the terminal.

    Gives sentences for the user about what does not listen and why: guiding goes on without.
    """
    from sonar.controls.control_socket import ControlSocket
    from sonar.controls.keys import KEYS_HELP, Buttons, Keyboard

    notes: list[str] = []
    listeners: list[Listener] = []
    try:
        listeners.append(ControlSocket(controls))
    except DeviceError as error:
        notes.append(str(error))
    if config.buttons:
        listeners.append(Buttons(controls, config.buttons))
    if keyboard:
        keys = Keyboard(controls)
        listeners.append(keys)
        notes += [KEYS_HELP] if keys.on_terminal else []

    def announce(_problem: str, _gave_up: bool) -> None:
        controls.refuse()  # a listener failed: what was pressed may not have been done

    with attending(listeners, announce):
        yield notes


@contextmanager
def attending(listeners: Sequence[Listener], announce: Announce | None = None) -> Iterator[None]:
    """While inside, a thread serves each of ``listeners``; all are closed at the end."""
    over = threading.Event()

    def serve(listener: Listener) -> None:
        while not over.is_set():
            waiting = select.poll()  # unlike select(), not limited to numbers below 1024
            for file in listener.files():
                waiting.register(file, select.POLLIN)
            for file, _ in waiting.poll(1000.0 * LOOK_S):
                if not over.is_set():
                    listener.read(file)

    threads = [
        GuardedThread(f"sonar-{type(one).__name__}", partial(serve, one), announce=announce)
        for one in listeners
    ]
    with ExitStack() as stack:
        for listener in listeners:
            stack.callback(listener.close)
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            over.set()
            deadline_s = monotonic() + _PATIENCE_S
            for thread in threads:
                thread.join(max(0.0, deadline_s - monotonic()))
