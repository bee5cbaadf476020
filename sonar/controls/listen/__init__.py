"""Who takes commands while guiding: keys of a terminal, a local socket, buttons.

Each listener has a thread of its own, hands a line such as ``volume up`` to one function, and
gives back what it changed when it is closed, whatever happened in between.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sonar.config import ControlsConfig
from sonar.controls.controls import Controls
from sonar.controls.listen.commands import Commands
from sonar.errors import DeviceError

__all__ = ["Commands", "listening"]


@contextmanager
def listening(
    controls: Controls, config: ControlsConfig, *, keyboard: bool = False
) -> Iterator[list[str]]:
    """While inside, commands reach ``controls``.

    Gives sentences for the user about what does not listen and why: guiding goes on without.
    ``keyboard`` is for runs that own the terminal.
    """
    do = Commands(controls)

    def announce(_problem: str, _gave_up: bool) -> None:
        controls.refuse()  # a listener failed: what was pressed may not have been done

    notes: list[str] = []
    with ExitStack() as stack:
        if config.socket:
            from sonar.controls.listen.socket_server import SocketServer

            try:
                stack.enter_context(SocketServer(do, announce=announce))
            except DeviceError as error:
                notes.append(str(error))
        if config.buttons:
            from sonar.controls.listen.buttons import Buttons

            stack.enter_context(Buttons(do, config.buttons, announce=announce))
        if keyboard:
            from sonar.controls.listen.keyboard import KEYS_HELP, Keyboard

            keys = stack.enter_context(Keyboard(do, announce=announce))
            if keys.on_terminal:
                notes.append(KEYS_HELP)
        yield notes
