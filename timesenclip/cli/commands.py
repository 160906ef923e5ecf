"""The root command, with every command registered below it."""

from __future__ import annotations

from typing import Annotated

import typer

from timesenclip._version import __version__
from timesenclip.cli.adapt import adapt
from timesenclip.cli.ask import ask
from timesenclip.cli.change import change
from timesenclip.cli.classify import classify
from timesenclip.cli.compare import compare
from timesenclip.cli.console import OneLineGroup, run, say
from timesenclip.cli.data import data, ground
from timesenclip.cli.embed import embed
from timesenclip.cli.embed_area import embed_area
from timesenclip.cli.evaluate import evaluate
from timesenclip.cli.import_export import export, hub, import_
from timesenclip.cli.info import demo, doctor, info, taxonomies
from timesenclip.cli.map import map_
from timesenclip.cli.train import train

__all__ = ["app", "main"]

_START = "Start here"
_ASK = "Ask"
_STORE = "Embed once, ask forever"
_CHECK = "Check"
_TRAIN = "Train"
_SHARE = "Share"

app = typer.Typer(
    name="timesenclip",
    cls=OneLineGroup,
    help="Ask a satellite archive a question in plain words.",
    epilog="Exit codes: 0 done, 1 partly done, 2 not done (one line on stderr says why). Contracts: docs/cli.md",
    invoke_without_command=True,
    pretty_exceptions_enable=False,  # for a bug report, Python's plain traceback is better
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        say(f"timesenclip {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        context.get_help()  # typer's rich help is printed, not returned


app.command("demo", rich_help_panel=_START)(demo)
app.command("doctor", rich_help_panel=_START)(doctor)
app.command("classify", rich_help_panel=_ASK)(classify)
app.command("map", rich_help_panel=_ASK)(map_)
app.command("embed", rich_help_panel=_ASK)(embed)
app.command("adapt", rich_help_panel=_ASK)(adapt)
app.command("embed-area", rich_help_panel=_STORE)(embed_area)
app.command("ask", rich_help_panel=_STORE)(ask)
app.command("change", rich_help_panel=_STORE)(change)
app.command("compare", rich_help_panel=_CHECK)(compare)
app.add_typer(evaluate, name="evaluate", rich_help_panel=_CHECK)
app.add_typer(taxonomies, name="taxonomies", rich_help_panel=_CHECK)
app.command("info", rich_help_panel=_CHECK)(info)
app.command("train", rich_help_panel=_TRAIN)(train)
app.add_typer(data, name="data", rich_help_panel=_TRAIN)
app.add_typer(ground, name="ground", rich_help_panel=_TRAIN)
app.add_typer(import_, name="import", rich_help_panel=_SHARE)
app.add_typer(export, name="export", rich_help_panel=_SHARE)
app.add_typer(hub, name="hub", rich_help_panel=_SHARE)


def main() -> None:
    """Run the command line and exit with its exit code."""
    run(app)
