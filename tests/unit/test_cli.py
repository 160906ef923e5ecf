"""The command line without a model: help, version, class lists, JSON."""

from __future__ import annotations

import json
import re
import subprocess
import sys
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
            ["evaluate", "suite", "none.parquet", "--labels", "x"],
            "error: No file 'none.parquet'; give a Parquet, GeoParquet or CSV table of points.",
        ),
        (
            ["evaluate", "none.parquet", "--labels", "x"],  # nothing is guessed
            "error: No such command 'none.parquet'. (see timesenclip evaluate --help)",
        ),
        (
            ["evaluate", "suite", "x.parquet", "--labels", "x", "--ground", "g.pt"],
            "error: --ground g.pt adds retrieval to the report, but no folder was given; add -o FOLDER.",
        ),
        (
            ["evaluate", "suite", "x.parquet", "--labels", "x", "--title", "Mine"],
            "error: --title Mine is the heading of the report, but no folder was given; add -o FOLDER.",
        ),
        (
            ["evaluate", "suite", "x.parquet", "--labels", "x", "--head", "h", "-o", "report"],
            "error: --head was given with -o report: most of the report compares prompts, and a head has none; "
            "leave -o out.",
        ),
        (
            ["evaluate", "paper", "x.zarr", "--year", "2018", "-o", "report"],
            "error: --period 2018 was given without --scenic; a training store has its own period.",
        ),
        (
            ["ask", "x.zarr", "--head", "h", "--photo", "p.jpg", "-o", "answer"],
            "error: --photo was given with --prompt, --taxonomy or --head; give one of them.",
        ),
        (["classify"], "error: Missing argument 'POINTS'. (see timesenclip classify --help)"),
        (
            ["classify", "x.parquet", "--units", "feet"],
            "error: Invalid value for '--units': 'feet' is not one of 'auto', 'dn', 'reflectance'. "
            "(see timesenclip classify --help)",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[str], line: str):
    result = run(*args)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", line + "\n")


def test_a_real_process_ends_the_same_way():
    done = subprocess.run(
        [sys.executable, "-m", "timesenclip", "taxonomies", "show", "worldcove"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: Unknown taxonomy 'worldcove'")
    assert done.stderr.count("\n") == 1


def test_taxonomies_are_listed():
    names = [row["name"] for row in json.loads(run("taxonomies", "list", "--json").stdout)["taxonomies"]]
    assert {"lucas-land-cover", "worldcover"} <= set(names)
    table = run("taxonomies").stdout
    assert all(name in table for name in names)


def test_a_taxonomy_is_shown():
    shown = json.loads(run("taxonomies", "show", "lucas-land-cover", "--json").stdout)
    assert len(shown["classes"]) == 8
    assert all(len(row["prompts"]) >= 8 and row["colour"].startswith("#") for row in shown["classes"])
    table = run("taxonomies", "show", "lucas-land-cover").stdout
    assert all(row["name"] in table for row in shown["classes"])


def _pages(command, path=()):
    """Every command and every command below it."""
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from _pages(below, (*path, name))


def test_every_option_that_the_docs_name_exists():
    text = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    pages = list(_pages(typer.main.get_command(app)))
    known = {option for page in pages for option in re.findall(r"--[a-z][a-z-]+", run(*page, "--help").stdout)}
    assert set(re.findall(r"`[^`]*?(--[a-z][a-z-]+)", text)) <= known
