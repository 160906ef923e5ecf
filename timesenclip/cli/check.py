"""`evaluate`: compare answers with labels, beside chance, the majority class and a random forest."""

from __future__ import annotations

import typer

__all__ = ["evaluate"]

evaluate = typer.Typer(help="Compare answers with labels, beside chance, majority and a random forest.")
