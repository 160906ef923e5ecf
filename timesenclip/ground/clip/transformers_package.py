"""Import transformers, with an error that says what to install or remove, and without its progress bars."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from timesenclip.errors import TowerError
from timesenclip.extras import require
from timesenclip.messages import shorten_error

__all__ = ["broken_torchvision", "import_transformers", "quiet_transformers"]


def broken_torchvision() -> str | None:
    """The reason why an installed torchvision cannot be imported, in one line; None where it can, or is not installed.

    A torchvision built for another torch makes transformers itself fail to import.
    """
    if importlib.util.find_spec("torchvision") is None:
        return None
    try:
        importlib.import_module("torchvision")
    except Exception as error:  # RuntimeError (missing operator), ImportError, OSError (shared library)
        return shorten_error(error)
    return None


def import_transformers() -> Any:
    """Import the package transformers.

    Raises:
        TowerError: an installed torchvision is broken, so that transformers cannot be imported.
        MissingExtraError: transformers is not installed.
    """
    reason = broken_torchvision()
    if reason is not None:
        raise TowerError(
            f"The installed torchvision does not work with this torch ({reason}) and keeps transformers from loading; "
            "TimeSenCLIP does not need it: pip uninstall torchvision"
        )
    return require("clip", "transformers", "PIL", needed_by="CLIP towers")


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the progress bars and load reports of transformers, and the retry messages of the hub's client.

    The reports list the weights of the other side of a CLIP as unused; a hub that cannot be reached ends in an error.
    """
    logging: Any = importlib.import_module("transformers.utils.logging")
    hub: Any = importlib.import_module("huggingface_hub.utils.logging")

    level, bars, hub_level = logging.get_verbosity(), logging.is_progress_bar_enabled(), hub.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    hub.set_verbosity_error()
    try:
        yield
    finally:
        hub.set_verbosity(hub_level)
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
