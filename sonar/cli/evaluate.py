"""``sonar bench``."""


def evaluate() -> None: ...
