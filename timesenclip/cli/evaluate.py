"""`evaluate`: the commands that compare predictions with labels."""

from __future__ import annotations

import typer

from timesenclip.cli.evaluate_paper import paper
from timesenclip.cli.evaluate_studies import scenic, sweep
from timesenclip.cli.evaluate_suite import suite

__all__ = ["evaluate"]

evaluate = typer.Typer(
    help="Compare predictions with labels, and with baselines such as a random forest.", no_args_is_help=True
)
evaluate.command("suite")(suite)
evaluate.command("paper")(paper)
evaluate.command("sweep")(sweep)
evaluate.command("scenic")(scenic)
