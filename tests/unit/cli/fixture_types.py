"""Types of the fixtures in conftest.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]
Refused = Callable[..., str]
StandIn = Callable[..., list[dict[str, Any]]]
