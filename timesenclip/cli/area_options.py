"""Where the pixels of an area come from: a cube on disk, or a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.cube import CubeSource
    from timesenclip.eo.radiometry import Units
    from timesenclip.eo.stac import StacSource

__all__ = ["block_side", "opened_cube", "refuse_workers_and_cluster", "searched_source"]

_SEARCH = "Or search for the pixels"

MaybeCubePath = Annotated[
    Path | None,
    typer.Argument(
        metavar="CUBE",
        help="A .nc, a folder of .nc, a .zarr, or a folder of GeoTIFFs; or give --aoi.",
        show_default=False,
    ),
]
AoiText = Annotated[
    str | None,
    typer.Option(
        "--aoi",
        metavar="FILE|W,S,E,N|TILE",
        help="The area: polygons (GeoJSON, GeoPackage, shapefile, GeoParquet), a box in degrees, or a tile (31UFS).",
        rich_help_panel=_SEARCH,
    ),
]
Catalog = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|URL|PATH",
        help="planetary-computer (default), earth-search, cdse, a STAC API, a catalog.json, a folder of .SAFE or COGs.",
        rich_help_panel=_SEARCH,
    ),
]
MaxCloud = Annotated[
    float, typer.Option(metavar="PERCENT", help="Leave out cloudier tiles.", rich_help_panel=_SEARCH, show_default=True)
]
Resample = Annotated[Literal["nearest", "bilinear"], typer.Option(help="20 m bands to 10 m.", rich_help_panel=_SEARCH)]
Readers = Annotated[
    int, typer.Option(metavar="N", help="Scenes that a block reads at the same time.", rich_help_panel=_SEARCH, min=1)
]


def refuse_both(cube: Path | None, aoi: str | None, catalog: str | None) -> None:
    """Exactly one of CUBE and --aoi says where the pixels come from.

    Raises:
        InputError: neither, or both; or a catalogue without an area.
    """
    if cube is None and aoi is None:
        raise InputError("Neither CUBE nor --aoi was given; give a cube on disk, or an area to search for.")
    if cube is not None and aoi is not None:
        raise InputError(f"CUBE '{cube}' and --aoi {aoi} were both given; give one of them.")
    if aoi is None and catalog is not None:
        raise InputError(f"--catalog {catalog} searches for an area, but --aoi was not given; say which area.")


def searched_source(
    aoi: str,
    span: str | int | None,
    *,
    catalog: str | None,
    collection: str,
    max_cloud: float,
    resampling: Literal["nearest", "bilinear"],
    workers: int,
    provider: str | None,
    baseline: str | None,
    offset_dn: int | None,
    units: Units,
) -> StacSource:
    """Search for an area, and say on stderr what was found.

    Raises:
        InputError: no period, or units that scenes do not have.
    """
    from timesenclip.cli.console import note
    from timesenclip.eo.stac import DEFAULT_CATALOG, open_stac

    if span is None:
        raise InputError("--aoi needs a time: give --period 2023, or a stretch such as 2022-11..2023-10.")
    if units == "reflectance":
        raise InputError("--units reflectance does not go with --aoi: scenes hold digital numbers.")
    source = open_stac(
        aoi,
        span,
        catalog=catalog or DEFAULT_CATALOG,
        collection=collection,
        max_cloud=max_cloud,
        provider=provider,
        baseline=baseline,
        offset_dn=offset_dn,
        resampling=resampling,
        workers=workers,
    )
    size = " x ".join(map(str, source.shape))
    scenes, days = len(source.scenes), len(source.dates)
    counted = f"{scenes} {'scene' if scenes == 1 else 'scenes'}, {days} {'day' if days == 1 else 'days'}"
    note(f"{source.where}: {counted}, {size} pixels, {source.crs}")
    return source


_ORIGIN = "Where the pixels come from"


_SAMPLE_PX = 128
"""Side of the window in the middle of the area in which the darkest values are looked at."""


Provider = Annotated[
    str | None,
    typer.Option(help="earth-search, planetary-computer, cdse, ... : decides the offset.", rich_help_panel=_ORIGIN),
]


Collection = Annotated[str, typer.Option(help="Collection at that provider.", rich_help_panel=_ORIGIN)]


Baseline = Annotated[
    str | None, typer.Option(help="Processing baseline, such as 05.09.", rich_help_panel=_ORIGIN, metavar="NN.NN")
]


_WORK = "How the work is done"


BlockWorkers = Annotated[
    int | None,
    typer.Option("--workers", metavar="N", help="Blocks at a time; default: one a core.", min=1, rich_help_panel=_WORK),
]


BlockSide = Annotated[
    int | None,
    typer.Option(
        "--block",
        metavar="PX",
        help="Side of a block, a multiple of 16; default: 256, with --aoi 512.",
        min=16,
        rich_help_panel=_WORK,
        show_default=False,
    ),
]


DaskAddress = Annotated[
    str | None,
    typer.Option("--dask", metavar="ADDRESS", help="tcp://host:port, or local:N processes.", rich_help_panel=_WORK),
]


MinClear = Annotated[int, typer.Option(metavar="N", help="Pixels with fewer clear observations are nodata.", min=0)]


Zones = Annotated[Path | None, typer.Option(metavar="FILE", help="Polygons in which the answers are counted apart.")]


OffsetDn = Annotated[
    int | None,
    typer.Option(metavar="DN", help="Subtract this from DN, instead of deciding it.", rich_help_panel=_ORIGIN),
]


def block_side(block: int | None, aoi: str | None) -> int:
    """Side of a block: scenes come in tiles of 512 or 1,024 pixels, each of which a small block decodes anew."""
    return block or (512 if aoi is not None else 256)


def refuse_workers_and_cluster(workers: int | None, dask: str | None) -> None:
    """Either threads or a cluster.

    Raises:
        InputError: both were given.
    """
    if workers is not None and dask is not None:
        raise InputError("--workers and --dask were both given; the cluster decides how many work.")


def opened_cube(
    cube: Path | None,
    span: str | int | None,
    units: Units,
    provider: str | None,
    collection: str,
    baseline: str | None,
    offset_dn: int | None,
) -> CubeSource:
    """Open the CUBE of the command line; where nothing says what the offset is, look at the darkest pixels."""
    from timesenclip.eo.cube import open_cube

    source = open_cube(
        str(cube), units=units, provider=provider, collection=collection, baseline=baseline, offset_dn=offset_dn
    )
    if provider is None and offset_dn is None:
        _check_offset(source, span)
    return source


def _check_offset(source: CubeSource, period: str | int | None) -> None:
    """Warn when the darkest values look as if the offset of baseline 04.00 were still in them."""
    from timesenclip.eo.radiometry import check_dark_level

    window: list[int] = []
    for size in source.shape:
        first = max(0, (size - _SAMPLE_PX) // 2)
        window += [first, min(size, first + _SAMPLE_PX)]
    sample = source.read((window[0], window[1], window[2], window[3]), period=period)
    if sample.valid.any():
        check_dark_level(sample.reflectance.min(axis=1), sample.valid, where=source.where)
