"""`evaluate` is a group of four commands."""

from __future__ import annotations

import typer

from tests.unit.cli.fixture_types import Refused, Run
from timesenclip.cli.evaluate import evaluate
from timesenclip.cli.evaluate_paper import paper
from timesenclip.cli.evaluate_studies import scenic, sweep
from timesenclip.cli.evaluate_suite import suite


def test_each_name_is_its_command() -> None:
    commands = typer.main.get_command(evaluate).commands  # type: ignore[attr-defined]
    expected = {"suite": suite, "paper": paper, "sweep": sweep, "scenic": scenic}
    assert {name: command.callback.__name__ for name, command in commands.items()} == {
        name: command.__name__ for name, command in expected.items()
    }
    assert {name: command.help for name, command in commands.items()} == {
        name: command.__doc__.replace("\n    ", "\n").strip() for name, command in expected.items()
    }


def test_without_a_command_there_is_help(run: Run) -> None:
    result = run("evaluate")
    for name in ("suite", "paper", "sweep", "scenic"):
        assert f" {name} " in result.output


def test_the_group_itself_takes_no_data(refused: Refused) -> None:
    assert refused("evaluate", "x.parquet").startswith("error: No such command 'x.parquet'.")
