"""Write maps as cloud-optimised GeoTIFFs that QGIS and GDAL show with the right names, colours and nodata.

Blocks go into a scratch GeoTIFF; `finish` turns it into a COG under a temporary name, reads it back and renames it, so
that no half map ever stands under a final name. Reading back is needed: on a full disk GDAL may lose blocks when it
closes a file, and say so nowhere that a program can hear it.
"""

from __future__ import annotations

import shutil
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.errors
import rasterio.shutil
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window as RasterWindow

from timesenclip.errors import InputError
from timesenclip.files import atomic_path, temporary_path, write_text
from timesenclip.grid import Window
from timesenclip.ground.taxonomy import Taxonomy
from timesenclip.messages import reason_of

__all__ = ["CLASS_NODATA", "SCORE_NODATA", "CogWriter", "map_folder", "output_folder", "write_class_sidecars"]

CLASS_NODATA = 255
"""Nodata of class and confidence maps."""
SCORE_NODATA = -9999.0
"""Nodata of score maps."""
UNKNOWN_COLOUR = (128, 128, 128)
_TILE = 256


def map_folder(path: str | Path) -> Path:
    """Make the folder that maps go to.

    Raises:
        InputError: it is a Zarr store, it cannot be made, or nothing can be written there.
    """
    if any((Path(path) / name).is_file() for name in ("zarr.json", ".zgroup")):
        raise InputError(f"'{path}' is a Zarr store, which the maps would spoil; give another output.")
    return output_folder(path)


def output_folder(path: str | Path) -> Path:
    """Make a folder that something goes to.

    Raises:
        InputError: it cannot be made, or nothing can be written there.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(folder / "probe", shared=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(f"Cannot write into '{folder}' ({reason}); give another output.") from error
    return folder


class CogWriter:
    """Collects blocks of one raster and ends as a COG."""

    def __init__(
        self,
        path: Path,
        *,
        shape: tuple[int, int],
        crs: str,
        transform: Affine,
        dtype: str,
        nodata: float,
        descriptions: Sequence[str],
        tags: dict[str, Any] | None = None,
        colours: dict[int, tuple[int, int, int]] | None = None,
        overviews: str = "nearest",
    ) -> None:
        """Open a scratch file beside `path`."""
        self.path, self._overviews = path, overviews
        self._scratch = temporary_path(path.with_name(f"{path.stem}.blocks.tif"))
        self._sums: dict[Window, int] = {}
        self._file = rasterio.open(
            self._scratch,
            "w",
            driver="GTiff",
            height=shape[0],
            width=shape[1],
            count=len(descriptions),
            dtype=dtype,
            nodata=nodata,
            crs=rasterio.crs.CRS.from_user_input(crs),
            transform=transform,
            tiled=True,
            blockxsize=_TILE,
            blockysize=_TILE,
            compress="deflate",
            BIGTIFF="IF_SAFER",
        )
        for band, text in enumerate(descriptions, start=1):
            self._file.set_band_description(band, text)
        self._file.update_tags(**{key: str(value) for key, value in (tags or {}).items()})
        if colours:
            self._file.write_colormap(1, {value: (*rgb, 255) for value, rgb in colours.items()})

    def write(self, values: NDArray[Any], window: Window) -> None:
        """Put a block (bands, y, x) at its place."""
        with self._named():
            self._file.write(values, window=_raster_window(window))
        self._sums[window] = zlib.crc32(np.ascontiguousarray(values).data)

    def finish(self) -> Path:
        """Write the COG with overviews and statistics, and give it its name.

        Raises:
            OSError: it could not be written, or does not hold what was written.
        """
        with self._named(), atomic_path(self.path) as part:
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
                        raise OSError(f"rows {window[0]}-{window[1]} columns {window[2]}-{window[3]} were lost")
        self._scratch.unlink()
        return self.path

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say which file cannot be written, and how full the disk is; GDAL's errors have classes of their own."""
        try:
            yield
        except Exception as error:
            reason = reason_of(error.__cause__ or error)
            free = shutil.disk_usage(self.path.parent).free / 1e6
            raise OSError(
                f"Cannot write '{self.path}' ({reason}); {free:,.0f} MB are free there. Make room and run the same "
                "command again."
            ) from error

    def discard(self) -> None:
        """Leave nothing behind; harmless after `finish`."""
        self._file.close()
        self._scratch.unlink(missing_ok=True)


def class_colours(taxonomy: Taxonomy) -> dict[int, tuple[int, int, int]]:
    """Colour of each value of a class map: 0 unknown, 1..K the classes."""
    rgb = {k + 1: _rgb(colour) for k, colour in enumerate(taxonomy.colours)}
    return {0: UNKNOWN_COLOUR} | rgb


def write_class_sidecars(path: Path, taxonomy: Taxonomy) -> list[Path]:
    """Write the names and colours of a class map where GDAL (`.aux.xml`) and QGIS (`.qml`) look for them.

    GeoTIFF itself has no place for class names that programs agree on; these two sidecars have.
    """
    names = {0: "unknown"} | {k + 1: name for k, name in enumerate(taxonomy.names)}
    colours = class_colours(taxonomy)
    categories = "".join(f"<Category>{escape(name)}</Category>" for name in names.values())
    rows = "".join(
        f'<Row index="{i}"><F>{i}</F><F>{escape(names[i])}</F>' + "".join(f"<F>{v}</F>" for v in colours[i]) + "</Row>"
        for i in names
    )
    # Field usages of GDAL's raster attribute table: 5 value, 2 name, 6 red, 7 green, 8 blue; types 0 integer, 2 string.
    fields = (("Value", 0, 5), ("Class", 2, 2), ("Red", 0, 6), ("Green", 0, 7), ("Blue", 0, 8))
    heads = "".join(
        f'<FieldDefn index="{i}"><Name>{name}</Name><Type>{kind}</Type><Usage>{usage}</Usage></FieldDefn>'
        for i, (name, kind, usage) in enumerate(fields)
    )
    aux = (
        f'<PAMDataset><PAMRasterBand band="1"><CategoryNames>{categories}</CategoryNames>'
        f'<GDALRasterAttributeTable tableType="thematic">{heads}{rows}</GDALRasterAttributeTable>'
        "</PAMRasterBand></PAMDataset>\n"
    )
    entries = "".join(
        f'<paletteEntry value="{i}" color="#{"".join(f"{v:02x}" for v in colours[i])}" '
        f'label="{escape(names[i], {chr(34): "&quot;"})}" alpha="255"/>'
        for i in names
    )
    qml = (
        '<!DOCTYPE qgis PUBLIC "http://mrcc.com/qgis.dtd" "SYSTEM">\n<qgis version="3.28"><pipe>'
        '<rasterrenderer type="paletted" band="1" opacity="1" alphaBand="-1">'
        f"<colorPalette>{entries}</colorPalette></rasterrenderer></pipe></qgis>\n"
    )
    out = []
    for target, text in ((path.with_name(path.name + ".aux.xml"), aux), (path.with_suffix(".qml"), qml)):
        out.append(write_text(target, text))
    return out


def _raster_window(window: Window) -> RasterWindow:
    rows, columns = window.shape
    return RasterWindow(window.column, window.row, columns, rows)


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def block_values(label_index: NDArray[np.int64], seen: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Class map values (1, y, x) of a block: 0 unknown, 1..K, 255 where nothing was seen."""
    values = np.where(seen, label_index + 1, CLASS_NODATA).astype(np.uint8)
    return values.reshape(1, *shape)
