"""The command line as a function, and stand-ins for the library functions that commands call."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import timesenclip
from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.cli.commands import app


@pytest.fixture(scope="session", autouse=True)
def _every_module_is_imported() -> None:
    """A module that is first imported while a stand-in is in place would keep it for the tests after."""
    for module in pkgutil.walk_packages(timesenclip.__path__, "timesenclip."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


@pytest.fixture
def run() -> Run:
    """Run a command line in this process: `run("classify", path, "--json")`."""

    def call(*args: object) -> Result:
        return CliRunner().invoke(app, [str(arg) for arg in args], prog_name="timesenclip")

    return call


@pytest.fixture
def refused(run: Run) -> Refused:
    """Run a command line that must end with exit code 2 and one line; returns that line."""

    def call(*args: object) -> str:
        result = run(*args)
        assert (result.exit_code, result.stdout) == (2, ""), result.output
        assert result.stderr.count("\n") == 1
        return result.stderr.removesuffix("\n")

    return call


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Replace a function of the library: `calls = stand_in("mapping.map_area.map_cube", answer)`.

    Every call is kept as a dictionary of the arguments that were given, by name. Arguments that the real function does
    not take raise a TypeError. `answer` is returned, or called with the same arguments where it can be called.
    """

    def replace(address: str, answer: Any = None) -> list[dict[str, Any]]:
        module_name, name = f"timesenclip.{address}".rsplit(".", 1)
        module = importlib.import_module(module_name)
        signature = inspect.signature(getattr(module, name))
        calls: list[dict[str, Any]] = []

        def fake(*args: Any, **options: Any) -> Any:
            given = dict(signature.bind(*args, **options).arguments)
            for parameter in signature.parameters.values():
                if parameter.kind is inspect.Parameter.VAR_KEYWORD:
                    given |= given.pop(parameter.name, {})
            calls.append(given)
            return answer(*args, **options) if callable(answer) else answer

        monkeypatch.setattr(module, name, fake)
        return calls

    return replace


@pytest.fixture
def models(stand_in: StandIn) -> list[dict[str, Any]]:
    """No checkpoint is loaded: a model is `model NAME`, with the name that --checkpoint gave. Returns the calls."""
    return stand_in("cli.options.chosen_model", lambda name: f"model {name}")
