"""Write a raster block by block, as a cloud-optimised GeoTIFF.

Blocks go into a scratch GeoTIFF; `complete` turns it into a COG under a temporary name and reads it back; `publish`
renames that, so that a file with a final name is always complete. Reading back is needed: on a full disk GDAL may lose
blocks when it closes a file, without raising an error.
"""

from __future__ import annotations

import os
import shutil
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.errors
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from timesenclip.errors import InputError
from timesenclip.files import TEMPORARY_SUFFIX, atomic_path, temporary_path
from timesenclip.grid import Window
from timesenclip.mapping.output.layers import AreaGrid, Layer
from timesenclip.messages import redact, shorten_error

__all__ = ["CogWriter", "output_folder"]

_TILE = 256


def output_folder(path: str | Path) -> Path:
    """Make a folder for outputs, and try whether files can be written there.

    Raises:
        InputError: it cannot be made, or nothing can be written there.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(folder / "probe")
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"Cannot write into '{folder}' ({reason}); give another output.") from error
    return folder


class _QuietStderr:
    """Sends what C code prints to the null device: libtiff prints the errors that GDAL raises, and GDAL cannot stop it.

    The file descriptor belongs to the whole process, so that several threads that write maps share one redirection.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._saved = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                with suppress(OSError):  # a service may have closed it
                    self._saved = os.dup(2)
                    null = os.open(os.devnull, os.O_WRONLY)
                    os.dup2(null, 2)
                    os.close(null)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._saved >= 0:
                os.dup2(self._saved, 2)
                os.close(self._saved)
                self._saved = -1


_QUIET = _QuietStderr()


class CogWriter:
    """Collects the blocks of one raster and writes them as one COG."""

    def __init__(self, folder: Path, layer: Layer, grid: AreaGrid) -> None:
        """Open a scratch file in the folder."""
        self.path, self._overviews = layer.path(folder), layer.overviews
        staged = folder.name.endswith(TEMPORARY_SUFFIX)
        self._shown = layer.path(folder.parent) if staged else self.path
        self._scratch = temporary_path(self.path.with_name(f"{layer.name}.blocks.tif"))
        self._complete = temporary_path(self.path)
        self._sums: dict[Window, int] = {}
        with self._named():
            self._file = self._opened(layer, grid)

    def _opened(self, layer: Layer, grid: AreaGrid) -> Any:
        file = rasterio.open(
            self._scratch,
            "w",
            driver="GTiff",
            height=grid.shape[0],
            width=grid.shape[1],
            count=len(layer.descriptions),
            dtype=layer.dtype,
            nodata=layer.nodata,
            crs=rasterio.crs.CRS.from_user_input(grid.crs),
            transform=grid.transform,
            tiled=True,
            blockxsize=_TILE,
            blockysize=_TILE,
            compress="deflate",
            BIGTIFF="IF_SAFER",
        )
        for band, text in enumerate(layer.descriptions, start=1):
            file.set_band_description(band, text)
        file.update_tags(**{key: redact(str(value)) for key, value in layer.tags.items()})
        if layer.colours:
            file.write_colormap(1, {value: (*rgb, 255) for value, rgb in layer.colours.items()})
        return file

    def write(self, values: NDArray[Any], window: Window) -> None:
        """Write a block (C, Y, X) into its window.

        Raises:
            OSError: it could not be written; the message names the file and the free space.
        """
        with self._named():
            self._file.write(values, window=_raster_window(window))
        self._sums[window] = zlib.crc32(np.ascontiguousarray(values).data)

    def finish(self) -> Path:
        """`complete` and `publish` in one."""
        self.complete()
        return self.publish()

    def complete(self) -> None:
        """Write the COG with overviews and statistics under a temporary name, to the disk; `publish` follows.

        Raises:
            OSError: it could not be written, or does not hold what was written.
        """
        with self._named(), atomic_path(self._complete) as part:
            self._file.close()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
                rasterio.shutil.copy(
                    self._scratch,
                    part,
                    driver="COG",
                    COMPRESS="DEFLATE",
                    BLOCKSIZE=_TILE,
                    OVERVIEW_RESAMPLING=self._overviews.upper(),
                    STATISTICS="YES",
                    BIGTIFF="IF_SAFER",
                )
            with rasterio.open(part) as made:
                for window, expected in self._sums.items():
                    if zlib.crc32(made.read(window=_raster_window(window))) != expected:
                        raise OSError(
                            f"rows {window.row}-{window.row_end} columns {window.column}-{window.column_end} were lost"
                        )
        self._scratch.unlink()

    def publish(self) -> Path:
        """Give the completed COG its final name, which is returned; an older file of this name is replaced."""
        with self._named():
            return self._complete.replace(self.path)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the file that cannot be written, and the free space of its disk; GDAL raises classes of its own."""
        try:
            with _QUIET:
                yield
        except Exception as error:
            reason = shorten_error(error.__cause__ or error)
            free = shutil.disk_usage(self.path.parent).free / 1e6
            raise OSError(
                f"Cannot write '{self._shown}' ({reason}); {free:,.0f} MB are free there. Make room and run the same "
                "command again."
            ) from error

    def discard(self) -> None:
        """Remove the temporary files; without effect after `publish`."""
        with (
            _QUIET,
            suppress(rasterio.errors.RasterioError),
        ):  # on a full disk the rest cannot be written, which is no loss
            self._file.close()
        self._scratch.unlink(missing_ok=True)
        self._complete.unlink(missing_ok=True)


def _raster_window(window: Window) -> RasterWindow:
    rows, columns = window.shape
    return RasterWindow(window.column, window.row, columns, rows)
