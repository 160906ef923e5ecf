"""A dataclass of options becomes the options of a command, and arrives as one object."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from timesenclip.cli.groups import with_groups


@dataclass(frozen=True, slots=True)
class Place:
    where: Annotated[str, typer.Option("--where", help="Which place.")]
    size: Annotated[int, typer.Option("--size")] = 3


@dataclass(frozen=True, slots=True)
class Time:
    year: Annotated[int | None, typer.Option("--year")] = None


def test_a_group_becomes_options_and_arrives_as_one() -> None:
    @dataclass(frozen=True)
    class Place:
        where: Annotated[str, typer.Option("--where", help="Which place.")]
        size: Annotated[int, typer.Option("--size")] = 3

    arrived: list[Any] = []

    def go(name: Annotated[str, typer.Argument()], place: Place, loud: Annotated[bool, typer.Option()] = False) -> None:
        arrived.append((name, place, loud))

    # The hints are real classes here, so that a class inside a function can be one.
    go.__annotations__ = {"name": Annotated[str, typer.Argument()], "place": Place}
    go.__annotations__["loud"] = Annotated[bool, typer.Option()]
    small = typer.Typer()
    small.command()(with_groups(go))
    assert "Which place." in CliRunner().invoke(small, ["--help"]).output
    assert CliRunner().invoke(small, ["x", "--where", "here", "--loud"]).exit_code == 0
    assert CliRunner().invoke(small, ["x"]).exit_code == 2  # --where is needed
    assert arrived == [("x", Place("here", 3), True)]


def test_the_signature_has_each_field_in_the_place_of_its_group() -> None:
    def go(name: Annotated[str, typer.Argument()], place: Place, time: Time, loud: bool = False) -> None:
        """What it does."""

    found = with_groups(go)
    parameters = inspect.signature(found).parameters
    assert list(parameters) == ["name", "where", "size", "year", "loud"]
    assert {name: one.default for name, one in parameters.items()} == {
        "name": inspect.Parameter.empty,
        "where": inspect.Parameter.empty,
        "size": 3,
        "year": None,
        "loud": False,
    }
    assert {one.kind for one in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters["where"].annotation.__metadata__[0].help == "Which place."
    assert parameters["year"].annotation.__origin__ == int | None
    assert found.__annotations__ == {name: one.annotation for name, one in parameters.items()}
    assert (found.__name__, found.__doc__) == ("go", "What it does.")


def test_groups_are_built_from_the_values_of_the_call() -> None:
    arrived: list[Any] = []

    def go(name: str, place: Place, time: Time) -> None:
        arrived.append((name, place, time))

    with_groups(go)(name="x", where="here", size=1, year=2018)
    assert arrived == [("x", Place("here", 1), Time(2018))]
    with pytest.raises(KeyError, match="year"):
        with_groups(go)(name="x", where="here", size=1)  # typer passes every option, also those not given


def test_a_command_without_groups_keeps_its_parameters() -> None:
    def go(name: Annotated[str, typer.Argument()], loud: bool = False) -> None: ...

    assert list(inspect.signature(with_groups(go)).parameters) == ["name", "loud"]
