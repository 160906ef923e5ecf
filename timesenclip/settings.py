"""Settings from the environment: the only module of the package that acts on environment variables.

`credentials.py` looks at them too, to keep the values of secret ones out of messages and files.

The names of ours start with `TIMESENCLIP_`; a command-line option or keyword takes precedence over each. Of other
libraries' variables only `HF_HUB_OFFLINE` is read here; the libraries read the rest themselves.
"""

from __future__ import annotations

import os
from functools import cache

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from timesenclip.errors import InputError

__all__ = ["Settings", "cpu_count", "hub_is_offline", "settings"]

_PREFIX = "TIMESENCLIP_"


class Settings(BaseSettings):
    """Defaults that a machine or a job sets once, instead of repeating options."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    checkpoint: str = "default"
    """`TIMESENCLIP_CHECKPOINT`: the default of `--checkpoint`."""
    threads: int | None = Field(default=None, ge=1)
    """`TIMESENCLIP_THREADS`: threads that torch may use; default: torch's own choice, the number of cores."""


@cache
def settings() -> Settings:
    """The settings of this process, read from the environment on first use.

    Raises:
        InputError: a variable has a value that cannot be used; the message names it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = _PREFIX + str(first["loc"][0]).upper()
        raise InputError(f"{name}={first['input']!r}: {first['msg'].lower()}; correct or unset it.") from error


def cpu_count() -> int:
    """Number of cores that this process may use; in a container it can be smaller than that of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hub_is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` is set to anything but 0; read at each call, because a program may set it late."""
    return os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
