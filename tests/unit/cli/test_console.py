"""Exit codes, one line for an error, one for a warning: on a small app of the real kind."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from timesenclip.cli import options as opt
from timesenclip.cli.console import OneLineGroup, note, print_json, print_table, say
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


def test_an_interrupt_before_the_command_begins_ends_with_130(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("typer.core.TyperGroup.main", lambda *_, **__: raising(KeyboardInterrupt())())
    result = run(lambda: None)
    assert (result.exit_code, result.stderr) == (130, "interrupted; files that were not finished were not written\n")


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


HOSTILE = "a\x1b[31m\x9b\u202e\u200b\x7f[red]x[/red][link=http://x]\ud800"


def harmless(text: str) -> bool:
    return all(char.isprintable() or char == "\n" for char in text)


def test_a_warning_of_a_library_is_one_line_too():
    def body() -> None:
        for _ in range(2):
            warnings.warn_explicit(f"odd\nfile {HOSTILE}", RuntimeWarning, "lib.py", 1, registry={})

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = run(body)
    assert result.exit_code == 0
    assert harmless(result.stderr)
    assert result.stderr.splitlines()[0].startswith("warning: RuntimeWarning: odd file a\\x1b[31m")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("error", [TowerError, OSError])
def test_an_error_is_visible_and_short_and_says_what_to_do(error: type[Exception]):
    result = run(raising(error(f"'{HOSTILE * 1000}' is no such thing; correct the name.")))
    assert (result.exit_code, result.stdout) == (2, "")
    assert harmless(result.stderr)
    assert len(result.stderr) <= 401
    assert result.stderr.startswith("error: 'a\\x1b[31m")
    assert result.stderr.endswith("correct the name.\n")


def test_a_usage_error_is_visible_and_short():
    result = run(lambda: None, "--" + "\x1b[2J\u202e" * 500)
    assert result.exit_code == 2
    assert harmless(result.stderr)
    assert len(result.stderr) <= 401
    assert result.stderr.endswith("--help)\n")


def test_what_a_command_prints_is_visible_and_no_markup_is_obeyed():
    def body() -> None:
        print_table(["[bold]n[/bold]", HOSTILE], [[HOSTILE, 1.5]], title=HOSTILE)
        say(f"{HOSTILE}\n  next")
        note(HOSTILE)

    result = run(body)
    assert result.exit_code == 0, result.exception
    assert harmless(result.stdout + result.stderr)
    for part in ("[bold]n[/bold]", "[red]x[/red]", "\\x9b\\u202e\\u200b"):
        assert part in result.stdout
    assert "\n  next\n" in result.stdout


def test_json_escapes_what_a_terminal_obeys():
    values = {"a": f"é 日本 {HOSTILE}"}
    result = run(lambda: print_json(values))
    assert harmless(result.stdout)
    assert json.loads(result.stdout) == values
    assert "é 日本" in result.stdout


def test_credentials_are_printed_nowhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "CANARY-1")
    hidden = "https://u:CANARY@h/x?token=CANARY CANARY-1"

    def body() -> None:
        say(hidden)
        note(hidden)
        print_json({"a": [hidden]})
        print_table([hidden], [[hidden]], title=hidden)
        warnings.warn(hidden, DegradedInputWarning, stacklevel=1)
        raise TowerError(hidden)

    result = run(body)
    assert result.exit_code == 2
    assert "CANARY" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    "variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]
)
def test_a_terminal_without_the_letters_gets_escapes(variables: dict[str, str]):
    script = (
        "from timesenclip.cli.console import *\nimport typer\n"
        "app = typer.Typer(cls=OneLineGroup)\n"
        "@app.callback()\ndef root(): ...\n"
        "@app.command()\ndef go():\n"
        "    print_table(['\\u00e9'], [['\\ud800 \\u65e5']]); say('\\u65e5'); note('\\u65e5')\n"
        "    print_json({'a': '\\u65e5'})\n"
        "    raise ValueError('\\u65e5\\x1b https://h/x?sig=CANARY')\n"
        "run(app)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "go"], env={**os.environ, **variables}, capture_output=True, timeout=60
    )
    assert done.returncode == 1
    assert b"UnicodeEncodeError" not in done.stderr
    assert b'"a": "\\u65e5"' in done.stdout
    lines = done.stderr.splitlines()
    assert lines[1].startswith(b"Traceback")
    assert lines[-1].startswith(b"ValueError: ")
    assert lines[-1].endswith(b"\\x1b https://h/x?...")


def test_a_number_that_is_none_is_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["label", "confidence"], [("maize", 0.75), ("unknown", float("nan"))])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [["maize", "0.750"], ["unknown"]]
