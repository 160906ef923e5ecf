"""Upload a checkpoint folder to the Hugging Face hub."""

from __future__ import annotations

from pathlib import Path

from timesenclip.errors import CheckpointError, InputError
from timesenclip.messages import shorten_error
from timesenclip.model.checkpoint import load
from timesenclip.model.checkpoint_config import CARD_FILE, CHECKPOINT_FILES
from timesenclip.settings import hub_is_offline

__all__ = ["push"]


def push(folder: str | Path, repo: str, *, private: bool = True, revision: str | None = None, message: str = "") -> str:
    """Upload a checkpoint folder; it can then be used as `hf-hub:OWNER/NAME`.

    The token is the one that `hf auth login` stored, or HF_TOKEN.

    Args:
        folder: a checkpoint folder; it is loaded first, so that a broken one is not published.
        repo: `OWNER/NAME`; created if it does not exist.
        private: whether a new repository is private.
        revision: branch; default: the main one.
        message: commit message; default: the name of the folder.

    Returns:
        The URL of the commit.

    Raises:
        InputError: HF_HUB_OFFLINE is set, or the name is not OWNER/NAME.
        CheckpointError: the folder is not a checkpoint or has no model card, or the hub refuses the upload.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    root = Path(folder)
    if hub_is_offline():
        raise InputError(f"HF_HUB_OFFLINE is set, so '{root}' cannot be pushed; unset it, or copy the folder instead.")
    if repo.count("/") != 1:
        raise InputError(f"'{repo}' is not a name on the hub; expected OWNER/NAME.")
    load(root)
    if not (root / CARD_FILE).is_file():
        raise CheckpointError(f"'{root}' has no README.md; a published checkpoint needs a model card with its licence.")
    api = HfApi()
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo,
            folder_path=root,
            allow_patterns=list(CHECKPOINT_FILES),
            revision=revision,
            commit_message=message or f"TimeSenCLIP checkpoint {root.name}",
        )
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise CheckpointError(
            f"The hub refused the upload to '{repo}' ({shorten_error(error)}); check the name, the connection and "
            "`hf auth login`."
        ) from error
    return str(commit.commit_url)
