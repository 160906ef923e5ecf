"""`import`, `export` and `hub`: arguments reach the library, and what was read is said."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.cli.fixture_types import Refused, Run, StandIn
from timesenclip.ground.import_clip import ImportedClip


class Tensor:
    """Of a thousand numbers."""

    def numel(self) -> int:
        return 1000


ENCODER = SimpleNamespace(config=SimpleNamespace(patch_size=9), parameters=lambda: [Tensor(), Tensor()])
OFFICIAL = SimpleNamespace(
    model=SimpleNamespace(encoder=ENCODER),
    prefix="student.",
    used=("a", "b", "c"),
    ignored={"teacher": 4},
    notes=("The temperature is 0.07.",),
)
CLIP = ImportedClip(
    folder=Path("clip"),
    kind="vit",
    prefix="",
    dim=512,
    image={"hidden_size": 768, "patch_size": 32, "eps": 1e-5},
    text={"hidden_size": 512, "vocab_size": 49408, "eps": 1e-5},
    text_from="w.pt",
    activation="gelu",
    used=("a", "b"),
    ignored={"logit_scale": 1},
    notes=("Stored as float16.",),
)


def test_the_authors_weights_are_saved_with_a_card(run: Run, stand_in: StandIn) -> None:
    imported = stand_in("model.official.import_official", OFFICIAL)
    saved = stand_in("model.checkpoint.save")
    command = ["import", "official", "weights/paper.ckpt", "--tower", "clip", "-o", "mine"]
    result = run(*command, "--json")
    assert result.exit_code == 0, result.output
    assert imported == [{"path": Path("weights/paper.ckpt"), "tower": "clip"}]
    card = saved[0].pop("card")
    assert saved == [{"model": OFFICIAL.model, "folder": Path("mine"), "overwrite": False}]
    assert card.startswith("# paper\n")
    assert "read from `paper.ckpt`\n(prefix `student.`)" in card
    assert json.loads(result.stdout) == {
        "output": "mine",
        "parameters": 2000,
        "patch_size": 9,
        "prefix": "student.",
        "used": 3,
        "ignored": {"teacher": 4},
        "notes": ["The temperature is 0.07."],
    }
    assert run(*command).stdout.splitlines() == [
        "3 tensors read from 'student.*': 2,000 parameters, patch 9 x 9",
        "ignored: teacher (4 tensors)",
        "note: The temperature is 0.07.",
        "Use it: timesenclip classify POINTS --checkpoint mine",
    ]


def test_the_tower_of_the_paper_is_the_default(run: Run, stand_in: StandIn) -> None:
    imported = stand_in("model.official.import_official", OFFICIAL)
    stand_in("model.checkpoint.save")
    assert run("import", "official", "w.pt", "-o", "mine").exit_code == 0
    assert imported[0]["tower"] == "openai/clip-vit-base-patch32"


def test_every_option_reaches_the_import_of_a_clip(run: Run, stand_in: StandIn) -> None:
    calls = stand_in("ground.import_clip.import_clip", CLIP)
    text = ["--tokenizer", "tok", "--text-from", "other", "--activation", "gelu", "--prefix", "student."]
    colours = ["--mean", "0.5,0.4,0.3", "--std", "0.3,0.2,0.1"]
    result = run("import", "clip", "w.pt", *text, *colours, "-o", "clip", "--json")
    assert result.exit_code == 0, result.output
    assert calls == [
        {
            "path": Path("w.pt"),
            "folder": Path("clip"),
            "tokenizer": "tok",
            "text_from": "other",
            "activation": "gelu",
            "prefix": "student.",
            "mean": (0.5, 0.4, 0.3),
            "std": (0.3, 0.2, 0.1),
            "overwrite": False,
        }
    ]
    answer = json.loads(result.stdout)
    assert answer["text"] == {"hidden_size": 512, "vocab_size": 49408}
    assert (answer["output"], answer["used"], answer["kind"], answer["dim"]) == ("clip", 2, "vit", 512)


def test_colours_that_are_not_given_are_left_to_the_library(run: Run, stand_in: StandIn) -> None:
    calls = stand_in("ground.import_clip.import_clip", CLIP)
    result = run("import", "clip", "w.pt", "-o", "clip")
    assert result.exit_code == 0, result.output
    assert not {"mean", "std"} & calls[0].keys()
    assert calls[0]["activation"] == "quick_gelu"
    first = "2 tensors read from bare names: vit with hidden_size 768, patch_size 32, vectors of 512"
    assert result.stdout.splitlines()[0] == first


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (
            ["import", "clip", "w.pt", "-o", "clip", "--std", "0.3,red"],
            "error: --std is '0.3,red'; expected three numbers such as 0.48,0.46,0.41.",
        ),
        (
            ["import", "official", "w.pt"],
            "error: Missing option '--output' / '-o'. (see timesenclip import official --help)",
        ),
        (["hub", "push", "mine"], "error: Missing argument 'OWNER/NAME'. (see timesenclip hub push --help)"),
    ],
)
def test_a_wrong_command_line_is_one_line(args: list[str], line: str, refused: Refused, stand_in: StandIn) -> None:
    calls = stand_in("ground.import_clip.import_clip", CLIP)
    assert refused(*args) == line
    assert calls == []


def test_a_checkpoint_is_written_in_the_authors_layout(run: Run, stand_in: StandIn) -> None:
    stand_in("model.checkpoint.load", lambda name: f"model {name}")
    calls = stand_in("model.official.export_official", Path("out.pt"))
    result = run("export", "official", "mine", "-o", "out.pt")
    assert (result.exit_code, result.stdout) == (0, "out.pt\n")
    assert calls == [{"model": "model mine", "path": Path("out.pt")}]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], {"private": True, "revision": None}),
        (["--public", "--revision", "v2"], {"private": False, "revision": "v2"}),
    ],
)
def test_a_pushed_repository_is_private_unless_it_is_made_public(
    given: list[str], expected: dict[str, Any], run: Run, stand_in: StandIn
) -> None:
    calls = stand_in("model.hub.push", "https://hub/me/it/commit/1")
    result = run("hub", "push", "mine", "me/it", *given)
    assert result.exit_code == 0, result.output
    assert calls == [{"folder": Path("mine"), "repo": "me/it"} | expected]
    assert result.stdout.splitlines() == [
        "https://hub/me/it/commit/1",
        "Use it: timesenclip classify POINTS --checkpoint hf-hub:me/it",
    ]
