from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from timesenclip.errors import InputError
from timesenclip.grid import Window
from timesenclip.mapping.output.cog import CogWriter, output_folder
from timesenclip.mapping.output.layers import AreaGrid, Layer

LAYER = Layer("scores", "float32", -9999.0, ["a", "b"], {"UNITS": "cosine"}, overviews="average")


def test_blocks_become_one_cog(grid: AreaGrid, tmp_path: Path) -> None:
    writer = CogWriter(tmp_path, LAYER, grid)
    values = np.random.default_rng(0).random((2, 20, 30)).astype(np.float32)
    writer.write(values[:, :16], Window(0, 16, 0, 30))
    writer.write(values[:, 16:, :9], Window(16, 20, 0, 9))
    path = writer.finish()
    writer.discard()  # without effect after `finish`
    assert [each.name for each in tmp_path.iterdir()] == ["scores.tif"]
    assert cog_validate(path, strict=True)[0]
    with rasterio.open(path) as raster:
        found = raster.read()
        assert raster.descriptions == ("a", "b")
        assert raster.tags()["UNITS"] == "cosine"
        assert raster.transform == grid.transform
        assert raster.crs.to_string() == grid.crs
        assert "STATISTICS_MEAN" in raster.tags(1)
    assert np.array_equal(found[:, :16], values[:, :16])
    assert (found[:, 16:, 9:] == -9999).all()  # what was never written is nodata


def test_a_writer_that_is_discarded_leaves_nothing(grid: AreaGrid, tmp_path: Path) -> None:
    writer = CogWriter(tmp_path, LAYER, grid)
    writer.write(np.zeros((2, 4, 4), dtype=np.float32), Window(0, 4, 0, 4))
    writer.discard()
    assert not list(tmp_path.iterdir())


def test_values_that_were_lost_are_noticed(grid: AreaGrid, tmp_path: Path) -> None:
    writer = CogWriter(tmp_path, LAYER, grid)
    writer.write(np.ones((2, 4, 4), dtype=np.float32), Window(0, 4, 0, 4))
    writer._sums[Window(0, 4, 0, 4)] += 1  # as if GDAL had lost the block when it closed the file
    with pytest.raises(OSError, match=r"Cannot write '.*scores.tif' \(rows 0-4 columns 0-4 were lost\)"):
        writer.finish()
    writer.discard()
    assert not list(tmp_path.iterdir())


def test_folders_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    assert output_folder(tmp_path / "a" / "b").is_dir()
    assert not list((tmp_path / "a" / "b").iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="Cannot write into"):
        output_folder(tmp_path / "file")
