from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.errors import HFValidationError

from timesenclip.errors import CheckpointError, InputError
from timesenclip.model.checkpoint import load, save
from timesenclip.model.hub import push


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return save(load(), tmp_path / "mine", card="# Mine")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """A stand-in for the hub that records what it was asked; a real one needs the network."""
    calls: list[tuple[str, dict[str, Any]]] = []

    class Api:
        def create_repo(self, repo: str, **options: Any) -> None:
            calls.append((repo, options))

        def upload_folder(self, **options: Any) -> SimpleNamespace:
            calls.append((options["repo_id"], options))
            return SimpleNamespace(commit_url="https://hub/commit/1")

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.delenv("HF_HUB_OFFLINE")
    return calls


def test_a_checkpoint_is_uploaded_with_its_card_and_nothing_else(checkpoint: Path, hub: list[Any]) -> None:
    (checkpoint / "secret.txt").write_text("x")
    assert push(checkpoint, "me/mine", revision="dev") == "https://hub/commit/1"
    (repo, made), (_, upload) = hub
    assert repo == "me/mine"
    assert made == {"private": True, "exist_ok": True}
    assert sorted(upload["allow_patterns"]) == ["README.md", "config.json", "model.safetensors"]
    assert (upload["revision"], upload["commit_message"]) == ("dev", "TimeSenCLIP checkpoint mine")


def test_what_cannot_be_published_is_refused_before_the_hub_is_asked(checkpoint: Path, hub: list[Any]) -> None:
    with pytest.raises(InputError, match="expected OWNER/NAME"):
        push(checkpoint, "mine")
    (checkpoint / "README.md").unlink()
    with pytest.raises(CheckpointError, match=r"has no README\.md"):
        push(checkpoint, "me/mine")
    (checkpoint / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="cut short"):
        push(checkpoint, "me/mine")
    assert hub == []


def test_a_hub_that_is_switched_off_is_named(checkpoint: Path) -> None:
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        push(checkpoint, "me/mine")


def test_a_refusal_of_the_hub_is_an_error_of_ours(
    checkpoint: Path, hub: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise HFValidationError("Repo id must be alphanumeric")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", refuse)
    with pytest.raises(CheckpointError, match=r"refused the upload to 'me/mi ne' \(Repo id must be alphanumeric\)"):
        push(checkpoint, "me/mi ne")
