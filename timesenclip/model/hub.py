"""Give a checkpoint to others: push its folder to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from timesenclip.errors import CheckpointError, InputError
from timesenclip.messages import reason_of
from timesenclip.model.checkpoint import load
from timesenclip.settings import hub_is_offline

__all__ = ["push"]

_FILES = ("model.safetensors", "config.json", "README.md")


def push(folder: str | Path, repo: str, *, private: bool = True, revision: str | None = None, message: str = "") -> str:
    """Upload a checkpoint folder; it can then be used as `hf-hub:OWNER/NAME`.

    The token is the one that `hf auth login` stored, or HF_TOKEN.

    Args:
        folder: a checkpoint folder; it is loaded first, so that nothing broken is published.
        repo: `OWNER/NAME`; made if it is not there.
        private: whether a new repository is private.
        revision: branch; default: the main one.
        message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        InputError: the hub is switched off, or the name is not OWNER/NAME.
        CheckpointError: the folder is no checkpoint or has no model card, or the hub refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    root = Path(folder)
    if hub_is_offline():
        raise InputError(f"HF_HUB_OFFLINE is set, so '{root}' cannot be pushed; unset it, or copy the folder instead.")
    if repo.count("/") != 1:
        raise InputError(f"'{repo}' is no name on the hub; expected OWNER/NAME.")
    load(root)
    if not (root / "README.md").is_file():
        raise CheckpointError(f"'{root}' has no README.md; a published checkpoint needs a model card with its licence.")
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=root,
            allow_patterns=list(_FILES),
            revision=revision,
            commit_message=message or f"TimeSenCLIP checkpoint {root.name}",
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"The hub did not take '{repo}' ({reason_of(error)}); check the name, the connection and `hf auth login`."
        ) from error
    return str(commit.commit_url)
