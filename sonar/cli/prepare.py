"""What a command does before it opens the depth engine: make the files that the engine opens."""

from sonar.cli.ui import note
from sonar.config import SonarConfig


def prepare(config: SonarConfig) -> None:
    """Convert a checkpoint, or quantize to int8, where the configured model needs it once.

    Says so on standard error; takes from half a minute to some minutes. Does nothing for a model
    that is ready, as the built-in one always is.

    Raises ModelError when the model is missing or cannot be converted, MissingExtraError without
    the extra [midas].
    """
    if config.engine.model == "builtin":
        return
    from sonar.depth.candidates import missing_precisions
    from sonar.depth.models.store import Store

    store = Store(config.models, report=note)
    model = store.resolve(config.engine.model)
    missing = missing_precisions(config.engine, model, store)
    if missing:
        from sonar.lab.quantise.optimise import optimise

        optimise(model, precisions=missing, store=store, report=note)
