"""Exit codes, one line for an error, one for a warning: on a small app of the real kind."""

from __future__ import annotations

import errno
import json
import warnings

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from timesenclip.cli import options as opt
from timesenclip.cli.console import OneLineGroup, print_json
from timesenclip.errors import BandError, DegradedInputWarning, PartialFailureError, TowerError


def run(body, *args: str) -> Result:
    app = typer.Typer(cls=OneLineGroup, add_completion=False)

    @app.callback()
    def root() -> None: ...

    @app.command("go")
    def go(strict: opt.Strict = False, as_json: opt.Json = False) -> None:
        body()

    return CliRunner().invoke(app, ["go", *args])


def raising(error: BaseException):
    def body() -> None:
        raise error

    return body


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (BandError("missing band B11\n  (found: none)"), 2, "error: missing band B11 (found: none)\n"),
        (TowerError("no such tower"), 2, "error: no such tower\n"),
        (PartialFailureError("2 of 9 blocks failed"), 1, "error: 2 of 9 blocks failed\n"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x.tif"),
            2,
            "error: [Errno 13] Permission denied: '/x.tif'\n",
        ),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(error: Exception, code: int, line: str):
    result = run(raising(error))
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", line)


def test_interrupt_says_so_and_ends_with_130():
    result = run(raising(KeyboardInterrupt()))
    assert result.exit_code == 130
    assert result.stderr.strip().startswith("interrupted")


def test_a_bug_keeps_its_traceback():
    result = run(raising(ZeroDivisionError("a bug")))
    assert isinstance(result.exception, ZeroDivisionError)


def test_usage_error_is_one_line_that_names_the_help():
    result = run(lambda: None, "--nope")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == ["error: No such option: --nope (see root go --help)"]


def warn_twice() -> None:
    for _ in range(2):
        warnings.warn("B8A is missing; B08\nstands in", DegradedInputWarning, stacklevel=1)
    typer.echo("done")


def test_our_warning_is_shown_once_as_one_line():
    result = run(warn_twice)
    assert (result.exit_code, result.stdout) == (0, "done\n")
    assert result.stderr == "warning: B8A is missing; B08 stands in\n"


def test_strict_turns_the_warning_into_an_error():
    result = run(warn_twice, "--strict")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: B8A is missing; B08 stands in\n"


def test_strict_does_not_outlive_the_command():
    run(warn_twice, "--strict")
    assert run(warn_twice).exit_code == 0


def test_json_is_valid_whatever_the_numbers_are():
    values = {
        "nan": float("nan"),
        "array": np.array([1.0, np.inf], dtype=np.float32),
        "n": np.int64(3),
        "flag": np.True_,
    }
    result = run(lambda: print_json(values))
    assert json.loads(result.stdout) == {"nan": None, "array": [1.0, None], "n": 3, "flag": True}
