"""Output of the command line: one line for each error and warning, progress bars, tables and the JSON object.

Results go to stdout; progress, warnings and errors go to stderr.
"""

from __future__ import annotations

import contextlib
import errno
import io
import json
import math
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from timesenclip.cli.messages_of_libraries import library_messages_as_lines
from timesenclip.errors import PartialFailureError, TimeSenCLIPError, TimeSenCLIPWarning
from timesenclip.files import json_text
from timesenclip.messages import LONGEST_LINE, cut_middle, list_some, one_line, redact, visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

__all__ = [
    "EXIT_CODES",
    "INTERRUPTED",
    "OneLineGroup",
    "left_out",
    "note",
    "print_json",
    "print_table",
    "progress_bar",
    "quiet_libraries",
    "run",
    "say",
    "training_bar",
]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells expect it (128 + SIGINT)."""

EXIT_CODES: dict[type[BaseException], int] = {
    PartialFailureError: 1,
    TimeSenCLIPError: 2,
    TimeSenCLIPWarning: 2,  # warnings are raised only under --strict
    TyperException: 2,  # the command line cannot be parsed
    OSError: 2,  # such as no space or no permission; the message names the file
}
"""Exit code by exception class; the first that matches counts. Any other exception is a bug and shows a traceback."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_NUMBER = re.compile(r"-|-?[\d.]+%?")  # "-" stands for a missing number

Progress = Callable[[int, int], None]
"""Progress callback, called with (done, total)."""


class OneLineGroup(TyperGroup):
    """The root command: prints errors and warnings of ours as one line each, and turns errors into exit codes."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run, and exit with the exit code, or return it if `standalone_mode` is False. Arguments are typer's."""
        _print_whatever_the_encoding()
        with _warnings_as_lines(), library_messages_as_lines(_warning):
            try:
                # In standalone mode typer would print a usage error in several lines of its own.
                code = super().main(args, prog_name, complete_var, False, windows_expand_args, **extra) or 0
            except tuple(EXIT_CODES) as error:
                code = _report(error)
            except KeyboardInterrupt:  # before the command itself begins, where typer does not catch it
                code = INTERRUPTED
        if code == INTERRUPTED:
            note("interrupted; files that were not finished were not written")
        if standalone_mode:
            sys.exit(code)
        return code


def run(app: Callable[[], object]) -> None:
    """Run a command line; of an error that nobody expected, which is a bug, print the traceback for a report.

    Python's own would print the values in the error as they are.
    """
    try:
        app()
    except Exception as error:  # the border of the program
        for line in redact("".join(traceback.format_exception(error))).splitlines():
            typer.echo(cut_middle(visible(line), 10 * LONGEST_LINE), err=True)
        sys.exit(1)


def _report(error: BaseException) -> int:
    if isinstance(error, BrokenPipeError):  # the process that reads stdout has ended: `timesenclip ... | head`
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return 1
    text = error.format_message() if isinstance(error, TyperException) else str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        text = f"{text}. Make room and run the same command again."
    context = getattr(error, "ctx", None)
    line = _one_line(text) or type(error).__name__
    if context is not None:
        see = f"see {context.command_path} --help)"
        line = f"{line[:-1]}; {see}" if line.endswith(")") else f"{line} ({see}"  # typer's own hint is in brackets
    note(f"error: {line}")
    return next(code for kind, code in EXIT_CODES.items() if isinstance(error, kind))


def _one_line(text: str) -> str:
    return one_line(text.replace("Value error, ", ""), LONGEST_LINE - len("warning: "))  # pydantic adds this prefix


def _warning(text: str) -> None:
    note(f"warning: {text}")


def _print_whatever_the_encoding() -> None:
    """Where the terminal's encoding lacks a letter (`LC_ALL=C`), print its escape instead of ending with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def _warnings_as_lines() -> Iterator[None]:
    """Print each warning once, as `warning: ...`; one of another library with its class."""
    seen: set[str] = set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        prefix = "" if issubclass(category, TimeSenCLIPWarning) else f"{category.__name__}: "
        text = _one_line(f"{prefix}{message}")
        if text not in seen:
            seen.add(text)
            _warning(text)

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("always", TimeSenCLIPWarning)
        yield


def make_strict(value: bool) -> bool:
    """Callback of --strict: warnings of ours are raised from now on, which gives exit code 2."""
    if value:
        warnings.simplefilter("error", TimeSenCLIPWarning)
    return value


def note(text: str) -> None:
    """Print one line on stderr."""
    typer.echo(one_line(text), err=True)


def say(text: str) -> None:
    """Print lines of a result on stdout, without credentials and with control characters as text."""
    typer.echo("\n".join(map(visible, redact(text).split("\n"))))


def left_out(what: str, labels: Mapping[str, int]) -> str:
    """Message about samples whose label belongs to no class: their number, and the most frequent labels with counts."""
    listed = list_some([f"{label} ({count})" for label, count in labels.items()], 12, separator=", ")
    return f"{sum(labels.values())} {what} left out: no class for the labels {listed}"


def print_json(answer: Mapping[str, Any]) -> None:
    """Print the result as the one JSON object of --json; numbers that are not finite become null.

    Characters that a terminal obeys or cannot show are escaped as JSON does it.
    """
    text = "\n".join(map(_escaped, json_text(answer, indent=2).split("\n")))
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        text = _NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], text)
    typer.echo(text)


def _escaped(line: str) -> str:
    if line.isprintable():
        return line
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1].replace("\x7f", "\\u007f") for c in line)


def _cell(text: str) -> str:
    return visible(redact(text))


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> None:
    """Print a small table on stdout; columns of numbers and percentages are right-aligned, and NaN is an empty cell."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading = None if title is None else Text(_cell(title), style="table.title")  # as text, markup would be obeyed
    table = Table(title=heading, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(columns):
        numeric = all(not isinstance(row[index], str) or _NUMBER.fullmatch(str(row[index])) for row in rows)
        table.add_column(Text(_cell(str(name))), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_number(cell) if isinstance(cell, float) else _cell(str(cell))) for cell in row))
    Console(file=sys.stdout, soft_wrap=False).print(table)


@contextlib.contextmanager
def progress_bar(label: str) -> Iterator[Progress]:
    """Show a progress bar on stderr and yield its `progress(done, total)` callback; no bar without a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with _on_terminal(bars, console):
        task = bars.add_task(_cell(label), total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


@contextlib.contextmanager
def training_bar() -> Iterator[Callable[[int, int, dict[str, float]], None]]:
    """Show a progress bar with loss and samples a second; without a terminal, print ten lines on stderr instead."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("train"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    said = 0

    def show(step: int, steps: int, figures: dict[str, float]) -> None:
        nonlocal said
        text = f"loss {figures['loss']:.3f}  {figures['samples_per_s']:,.0f}/s"
        if "selection" in figures:
            bars.update(task, held=f"  retrieval {figures['selection']:.3f}")
        bars.update(task, completed=step, total=steps, description=text + str(bars.tasks[0].fields["held"]))
        if not console.is_terminal and step * 10 // steps > said:
            said = step * 10 // steps
            note(f"step {step:,}/{steps:,}  {text}{bars.tasks[0].fields['held']}")

    bars = Progress(*columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal)
    task = bars.add_task("", total=None, held="")
    with _on_terminal(bars, console):
        yield show


def _on_terminal(bars: Bars, console: Console) -> contextlib.AbstractContextManager[object]:
    """The bars if there is a terminal, else nothing: before rich 15, disabled bars printed an empty line."""
    return bars if console.is_terminal else contextlib.nullcontext()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Hide warnings raised in Lightning, torch and TensorBoard, such as deprecations; warnings of ours are shown."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(lightning|torch|tensorboard)\.")
        yield
