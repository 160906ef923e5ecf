"""A run is not resumed from scenes that have changed since."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from .stac_world import SHOTS, SIZE, A, item, serve, write_cog

SHOT = SHOTS[0]
BOX = ",".join(map(str, A.bounds))


@pytest.mark.slow
def test_a_store_is_not_resumed_from_a_changed_scene(run, world: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    shutil.copytree(world / SHOT.id, files / SHOT.id)
    with serve(files, (SHOT,)) as server:
        search = ["--aoi", BOX, "--period", "2021-11"]
        remote = [*search, "--catalog", server.url]
        local = [*search, "--catalog", files]
        for options, store in ((remote, tmp_path / "remote.zarr"), (local, tmp_path / "local.zarr")):
            assert run("embed-area", *options, "-o", store).exit_code == 0
            again = run("embed-area", *options, "-o", store, "--json")
            assert again.exit_code == 0, again.output
            counted = json.loads(again.stdout)
            assert counted["blocks"] == counted["reused_blocks"] > 0
        write_cog(files / SHOT.id / "B04.tif", np.full((SIZE, SIZE), 555, dtype=np.uint16), A, 10)
        server.items = [item(SHOT, f"{server.url}/files")]
        for options, store in ((remote, tmp_path / "remote.zarr"), (local, tmp_path / "local.zarr")):
            changed = run("embed-area", *options, "-o", store)
            assert changed.exit_code == 2, changed.output
            assert "error: " in changed.stderr
