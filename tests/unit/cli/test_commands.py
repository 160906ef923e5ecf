"""The root command: help, version, and command lines that cannot be understood."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

import timesenclip
from timesenclip.cli.commands import app

COMMANDS = ["demo", "doctor", "classify", "map", "embed", "evaluate", "taxonomies", "info"]
COMMANDS += ["adapt", "ask", "change", "compare", "embed-area", "train", "data", "ground", "import", "export", "hub"]


def run(*args: str) -> Result:
    return CliRunner().invoke(app, list(args), prog_name="timesenclip", env={"TERMINAL_WIDTH": "100"})


@pytest.mark.parametrize("args", [["--help"], ["-h"], []])
def test_help_is_a_table_of_contents(args: list[str]):
    result = run(*args)
    assert result.exit_code == 0
    places = [result.stdout.index(f"─ {panel} ─") for panel in ("Start here", "Ask", "Check")]
    assert places == sorted(places)
    for command in COMMANDS:
        assert f" {command} " in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: timesenclip {command}" in result.stdout


def test_version():
    assert run("--version").stdout == f"timesenclip {timesenclip.__version__}\n"


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["mapp"], "error: No such command 'mapp'. Did you mean 'map'? (see timesenclip --help)"),
        (
            ["evaluate", "suit", "x"],
            "error: No such command 'suit'. Did you mean 'suite'? (see timesenclip evaluate --help)",
        ),
        (
            ["evaluate", "none.parquet", "--labels", "x"],  # nothing is guessed
            "error: No such command 'none.parquet'. (see timesenclip evaluate --help)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[str], line: str):
    result = run(*args)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line + "\n")


def _pages(command, path=()):
    """Every command and every command below it."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _pages(below, (*path, name))


def test_every_option_that_the_docs_name_exists():
    text = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")
    pages = list(_pages(typer.main.get_command(app)))
    known = {option for page in pages for option in re.findall(r"--[a-z][a-z-]+", run(*page, "--help").stdout)}
    assert set(re.findall(r"`[^`]*?(--[a-z][a-z-]+)", text)) <= known
