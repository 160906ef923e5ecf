"""What the environment may say: the only module of the package that reads environment variables.

Ours start with `TIMESENCLIP_`, and each has a command-line option or a keyword that wins over it. Of others' variables
one is read here, `HF_HUB_OFFLINE`; libraries read theirs themselves.
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
    """`TIMESENCLIP_CHECKPOINT`: what `--checkpoint` is when it is not given."""
    threads: int | None = Field(default=None, ge=1)
    """`TIMESENCLIP_THREADS`: threads that torch may use; its own choice (the cores) when not set."""


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
    """Cores that this process may use, which in a container are fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def hub_is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` is set to anything but 0; read anew each time, since it may be set late."""
    return os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
