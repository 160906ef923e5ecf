"""The same option is the same everywhere: every command of the real application is walked."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from timesenclip.cli import evaluate_suite
from timesenclip.cli import options as opt
from timesenclip.cli.area_options import AreaOptions, OriginOptions, WorkOptions
from timesenclip.cli.commands import app
from timesenclip.eo.area import CubeInMemory, block_side
from timesenclip.eo.cube.source import CubeSource
from timesenclip.eo.sensors import SensorName
from timesenclip.eo.stac.source import StacSource
from timesenclip.evaluation.metrics import compute_metrics
from timesenclip.testing import random_cube

DIFFERENT = {
    "--output": "what is written differs from command to command; the name and the short form do not",
    "--labels": "`adapt` reads tables only; `evaluate paper` finds the labels of each task on its own",
    "--workers": "`data sen4map` reads in processes, one unless more are asked for; areas are read in threads",
    "--votes": "needed by `evaluate scenic`, and by `evaluate paper` only together with --scenic",
}
"""Options whose help, type or default differs, and why."""
WRITE_NOTHING = {"doctor", "info", "taxonomies", "taxonomies list", "taxonomies show", "hub push"}
CHECKPOINT_ARGUMENTS = {
    "info": "the checkpoint is what is shown",
    "export official": "the checkpoint is what is exported",
    "compare": "two checkpoints are what is compared",
    "hub push": "the folder of a checkpoint is what is pushed",
}
"""Commands that take a checkpoint as an argument, since it is their object; everywhere else it is --checkpoint."""
ANSWERING = {"classify", "map", "ask", "evaluate suite"}


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    below = getattr(command, "commands", {})
    if not below:
        yield " ".join(path), command
    for name, child in below.items():
        yield from _commands(child, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(app)))


def _options(name: str) -> dict[str, Any]:
    found = [parameter for parameter in COMMANDS[name].params if parameter.param_type_name == "option"]
    return {max(option.opts, key=len): option for option in found}


def _arguments(name: str) -> list[Any]:
    return [parameter for parameter in COMMANDS[name].params if parameter.param_type_name == "argument"]


def _facts(option: Any) -> tuple[Any, ...]:
    described = getattr(option, "type_descriptor", None)  # of newer typer; click's type before
    kind = described.annotation if described is not None else option.type
    names = (tuple(option.opts), tuple(option.secondary_opts))
    limits = (getattr(option, "min", None), getattr(option, "max", None))
    words = (option.help, option.metavar, option.rich_help_panel)
    return (*names, *words, option.default, option.required, option.multiple, repr(kind), *limits)


def test_options_of_one_name_are_one_option() -> None:
    known: dict[str, dict[tuple[Any, ...], list[str]]] = defaultdict(lambda: defaultdict(list))
    for command in COMMANDS:
        for name, option in _options(command).items():
            known[name][_facts(option)].append(command)
    different = {name for name, kinds in known.items() if len(kinds) > 1}
    assert different == set(DIFFERENT)
    shared = [name for name, kinds in known.items() if sum(map(len, kinds.values())) > 1]
    assert len(shared) > 30  # the walk sees the commands


def test_a_short_form_belongs_to_one_option() -> None:
    owners = defaultdict(set)
    for command in COMMANDS:
        for name, option in _options(command).items():
            for short in option.opts:
                if not short.startswith("--"):
                    owners[short].add(name)
    assert owners == {"-o": {"--output"}, "-p": {"--prompt"}, "-t": {"--taxonomy"}}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_what_a_command_writes_is_its_output(command: str) -> None:
    options = _options(command)
    assert "--out" not in options
    assert ("--output" in options) == (command not in WRITE_NOTHING)
    if "--output" in options:
        assert options["--output"].opts == ["--output", "-o"]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_year_is_short_for_a_period_wherever_there_is_one(command: str) -> None:
    options = _options(command)
    assert ("--period" in options) == ("--year" in options)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_checkpoint_is_an_option_unless_it_is_the_object(command: str) -> None:
    texts = [f"{argument.name} {argument.help}".lower() for argument in _arguments(command)]
    assert any("checkpoint" in text for text in texts) == (command in CHECKPOINT_ARGUMENTS)


def test_commands_that_answer_take_heads_and_a_threshold() -> None:
    for name in ("--head", "--unknown-below"):
        assert {command for command in COMMANDS if name in _options(command)} == ANSWERING


def test_a_mapping_can_be_repeated_everywhere() -> None:
    found = [command for command in COMMANDS if "--mapping" in _options(command)]
    assert {"adapt", "compare", "evaluate suite"} <= set(found)
    assert all(_options(command)["--mapping"].multiple for command in found)


def test_commands_of_an_area_take_one_group_of_options() -> None:
    names = {f"--{name.replace('_', '-')}" for name in AreaOptions.__dataclass_fields__}
    assert len(names) == 11
    for command in ("map", "embed-area", "change"):
        assert names <= set(_options(command))


def test_what_answers_and_what_evaluates_read_a_file_alike() -> None:
    points = {"classify", "embed", "adapt", "compare", "data points"}
    evaluations = {"evaluate suite", "evaluate scenic", "evaluate paper"}
    for name in ("--offset-dn", "--step", "--units", "--period"):
        assert points | evaluations <= {command for command in COMMANDS if name in _options(command)}
    cubes = {"map", "embed-area", "change", "compare", "evaluate suite", "evaluate scenic"}
    for name in ("--provider", "--collection", "--baseline", "--offset-dn"):
        assert cubes <= {command for command in COMMANDS if name in _options(command)}


def test_only_what_was_stated_is_passed_on_to_a_reader() -> None:
    usual = {"period": None, "units": "auto", "every": "month"}
    assert opt.PointOptions().reading == usual
    assert opt.PointOptions(offset_dn=0, step="10").reading == usual | {"offset_dn": 0, "step": 10}
    assert opt.PointOptions(sensor="landsat").reading == usual | {"sensor": "landsat"}
    assert opt.PointOptions(step="dekad").reading == usual | {"step": "dekad"}
    assert opt.PointOptions(outliers="keep").reading == usual | {"outliers": "keep"}
    assert OriginOptions().stated == {}
    assert OriginOptions(provider="cdse", collection="sentinel-2-l2a").stated == {"provider": "cdse"}
    assert AreaOptions(baseline="05.09", aoi="31UFS", offset_dn=3).stated == {"baseline": "05.09"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_value_has_a_plain_metavar(command: str) -> None:
    for name, option in (_options(command) | {one.name: one for one in _arguments(command)}).items():
        described = getattr(option, "type_descriptor", None)
        kind = str(described.annotation if described is not None else option.type)
        if not any(plain in kind.lower() for plain in ("bool", "literal", "choice")):
            assert re.fullmatch(r"[A-Z0-9_,.|/:=a-z]{1,22}", option.metavar or ""), (name, option.metavar)
        assert len(option.help or "") > 4, name


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_the_help_has_whole_paragraphs_and_no_types(command: str) -> None:
    assert all("\n" not in part for part in COMMANDS[command].help.split("\n\n"))
    shown = CliRunner().invoke(app, [*command.split(), "--help"], env={"COLUMNS": "160"}).output
    options = shown.partition("─ Options ─")[2]  # typer shows the type of an argument beside its metavar
    assert "--help" in options
    for kind in ("<str>", "<int>", "<float>", "<path>", "<list", "(default)]"):
        assert kind not in options


def test_side_of_a_block_is_checked_and_left_to_the_source() -> None:
    assert WorkOptions().block is None
    WorkOptions(block=64).check()
    with pytest.raises(opt.InputError, match=r"Blocks of 17 pixels; give a multiple of 16, such as 256"):
        WorkOptions(block=17).check()


def test_side_of_a_block_follows_the_source() -> None:
    cube = CubeInMemory(random_cube((4, 6)))
    assert block_side(cube, None) == 256
    assert block_side(cube, 10) == 10
    assert StacSource.default_block.fget(None) == 512  # type: ignore[attr-defined]
    assert CubeSource.default_block.fget(None) == 256  # type: ignore[attr-defined]
    with pytest.raises(opt.InputError, match=r"A block of 0 pixels; expected 1 or more"):
        block_side(cube, 0)
    with pytest.raises(opt.InputError, match=r"give a multiple of 16"):
        block_side(cube, 24, multiple=16)


def test_period_and_year_give_one_span() -> None:
    assert opt.InputOptions(year=2018).span == 2018
    assert opt.InputOptions(period="2018-03..2018-05").span == "2018-03..2018-05"
    with pytest.raises(opt.InputError, match=r"--period 2018 and --year 2018 were both given"):
        opt.InputOptions(period="2018", year=2018)


def test_the_table_of_methods_is_the_same_with_and_without_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    truth = np.array([0, 1, 0, 1])
    methods = {"zero-shot": compute_metrics(truth, truth, names=["maize", "lake"])}
    table = SimpleNamespace(methods=methods, title="T", notes=[], skipped={})
    evaluate_suite._report_table(table, as_json=False)  # type: ignore[arg-type]
    plain = capsys.readouterr().out.splitlines()
    findings = SimpleNamespace(data=_Data(), title="T", comparison=SimpleNamespace(methods=methods))
    result = SimpleNamespace(findings=findings, files={"report": "r", "tables": "t"})
    evaluate_suite._report_suite(result, as_json=False)  # type: ignore[arg-type]
    report = capsys.readouterr().out.splitlines()
    wanted = [line for line in plain if "calibration error" in line or line.startswith("zero-shot")]
    assert len(wanted) == 2
    assert [line for line in report if line in wanted] == wanted


class _Data(list[int]):
    """Four samples of two classes, as a report counts them."""

    def __init__(self) -> None:
        super().__init__([0, 1, 0, 1])
        self.present = [0, 1]
        self.taxonomy = [0, 1]
        self.skipped: dict[str, int] = {}


def test_the_option_takes_the_sensors_that_readers_know() -> None:
    assert get_args(get_args(opt.Sensor)[0]) == get_args(SensorName)
