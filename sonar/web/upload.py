"""Takes what a person uploads here, and nothing that a request merely names."""

from pathlib import Path
from typing import Any

import gradio as gr


def upload_button(label: str) -> gr.UploadButton:
    """An upload button. Gradio would fetch an address that stands where a file's name belongs,
    and trusts a path once it has checked it; here neither gets past the folder of uploads."""
    button = gr.UploadButton(label, variant="primary", type="filepath")
    uploads = Path(button.GRADIO_CACHE)
    fetch, give = button.async_move_resource_to_block_cache, button.preprocess

    async def fetch_own(path: Any) -> str | None:
        _own(uploads, path)
        found: str | None = await fetch(path)
        return found

    def give_own(payload: Any) -> Any:
        if payload is not None:
            _own(uploads, payload.path)
        return give(payload)

    # On the object: a class of ours would make Gradio write a .pyi file beside this one.
    button.async_move_resource_to_block_cache = fetch_own
    button.preprocess = give_own
    return button


def _own(uploads: Path, path: Any) -> None:
    """Raises gr.Error for what is not in the folder ``uploads``."""
    try:
        inside = Path(str(path)).resolve().is_relative_to(uploads.resolve())
    except (OSError, ValueError):
        inside = False
    if not inside:
        raise gr.Error("Only what was uploaded here is looked at.", print_exception=False)
