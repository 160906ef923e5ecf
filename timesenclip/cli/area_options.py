"""Options of commands that read an area: the source of the pixels (a cube on disk or a search) and the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.area import AreaSource
    from timesenclip.eo.cube.source import CubeSource
    from timesenclip.eo.radiometry import Units
    from timesenclip.eo.stac.source import StacSource

__all__ = ["AreaOptions", "WorkOptions", "open_area", "open_cube_with_options", "refuse_given", "search_area"]

_ORIGIN = "Origin of the pixels"
_SEARCH = "Search for scenes"

CubePath = Annotated[
    Path | None,
    typer.Argument(
        metavar="CUBE",
        help="A .nc, a folder of .nc, a .zarr, or a folder of GeoTIFFs; or give --aoi.",
        show_default=False,
    ),
]
MinClear = Annotated[
    int, typer.Option("--min-clear", metavar="N", help="Pixels with fewer clear observations are nodata.", min=0)
]
Zones = Annotated[
    Path | None,
    typer.Option("--zones", metavar="FILE", help="Polygons; the classes are also counted within each of them."),
]
Scores = Annotated[bool, typer.Option("--scores/--no-scores", help="Write one score band per phrase.")]


@dataclass(frozen=True, slots=True)
class AreaOptions:
    """Options that say where the pixels of an area come from."""

    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            help="earth-search, planetary-computer, cdse, ...; decides which offset is removed from DN.",
            rich_help_panel=_ORIGIN,
        ),
    ] = None
    collection: Annotated[
        str, typer.Option("--collection", help="Collection at that provider.", rich_help_panel=_ORIGIN)
    ] = "sentinel-2-l2a"
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", help="Processing baseline, such as 05.09.", rich_help_panel=_ORIGIN, metavar="NN.NN"
        ),
    ] = None
    offset_dn: opt.OffsetDn = None
    aoi: Annotated[
        str | None,
        typer.Option(
            "--aoi",
            metavar="FILE|W,S,E,N|TILE",
            help="The area: polygons (GeoJSON, GeoPackage, shapefile, GeoParquet), a box in degrees, or a tile "
            "(31UFS).",
            rich_help_panel=_SEARCH,
        ),
    ] = None
    catalog: Annotated[
        str | None,
        typer.Option(
            "--catalog",
            metavar="NAME|URL|PATH",
            help="planetary-computer (default), earth-search, cdse, a STAC API, a catalog.json, a folder of .SAFE or "
            "COGs.",
            rich_help_panel=_SEARCH,
        ),
    ] = None
    max_cloud: Annotated[
        float,
        typer.Option(
            "--max-cloud", metavar="PERCENT", help="Leave out tiles with more cloud than this.", rich_help_panel=_SEARCH
        ),
    ] = 80.0
    resampling: Annotated[
        Literal["nearest", "bilinear"],
        typer.Option("--resampling", help="Resampling of 20 m bands to the 10 m grid.", rich_help_panel=_SEARCH),
    ] = "nearest"
    readers: Annotated[
        int,
        typer.Option(
            "--readers",
            metavar="N",
            help="Scenes that a block reads at the same time.",
            rich_help_panel=_SEARCH,
            min=1,
        ),
    ] = 4

    def refuse_catalog_alone(self) -> None:
        """Refuse --catalog without --aoi.

        Raises:
            InputError: --catalog was given, but no area to search for.
        """
        if self.aoi is None and self.catalog is not None:
            raise InputError(f"--catalog {self.catalog} searches for an area, but --aoi was not given; give --aoi.")


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """Options that say how the blocks of an area are computed."""

    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            help="Blocks computed at the same time; default: one a core.",
            min=1,
            rich_help_panel=opt.WORK,
        ),
    ] = None
    dask: Annotated[
        str | None,
        typer.Option(
            "--dask",
            metavar="ADDRESS",
            help="Dask cluster: tcp://host:port of a scheduler, or local:N for N local processes.",
            rich_help_panel=opt.WORK,
        ),
    ] = None
    block: Annotated[
        int | None,
        typer.Option(
            "--block",
            metavar="PX",
            help="Side of a block, a multiple of 16; default: 256, with --aoi 512.",
            min=16,
            rich_help_panel=opt.WORK,
            show_default=False,
        ),
    ] = None

    def check(self) -> None:
        """Refuse --workers together with --dask.

        Raises:
            InputError: both were given.
        """
        if self.workers is not None and self.dask is not None:
            raise InputError(
                "--workers and --dask were both given; the cluster sets the number of workers, so leave --workers out."
            )

    def side(self, area: AreaOptions) -> int:
        """Side of a block in pixels: larger for scenes, whose tiles of 512 or 1,024 pixels are decoded whole."""
        return self.block or (512 if area.aoi is not None else 256)


def require_one_source(cube: Path | None, area: AreaOptions) -> None:
    """Require exactly one of CUBE and --aoi.

    Raises:
        InputError: neither or both were given, or --catalog without --aoi.
    """
    if cube is None and area.aoi is None:
        raise InputError("Neither CUBE nor --aoi was given; give a cube on disk, or an area to search for.")
    if cube is not None and area.aoi is not None:
        raise InputError(f"CUBE '{cube}' and --aoi {area.aoi} were both given; give one of them.")
    area.refuse_catalog_alone()


def open_area(cube: Path | None, area: AreaOptions, read: opt.InputOptions) -> AreaSource:
    """Open the CUBE of the command line, or search for --aoi.

    Raises:
        InputError: neither or both were given, or options that do not go together.
    """
    require_one_source(cube, area)
    if cube is None:
        return search_area(area, read.span, units=read.units)
    return open_cube_with_options(cube, area, read.units)


def search_area(area: AreaOptions, span: str | int | None, *, units: Units = "auto") -> StacSource:
    """Search for scenes of --aoi, and print on stderr how many were found.

    Raises:
        InputError: no area or no period was given, or --units reflectance.
    """
    from timesenclip.eo.stac.open import DEFAULT_CATALOG, open_stac

    if area.aoi is None:
        raise InputError("--aoi was not given; give the area to search for.")
    if span is None:
        raise InputError("--aoi needs a period: give --period 2023, or months such as 2022-11..2023-10.")
    if units == "reflectance":
        raise InputError(
            "--units reflectance cannot be used with --aoi, since scenes hold digital numbers; leave it out."
        )
    source = open_stac(
        area.aoi,
        span,
        catalog=area.catalog or DEFAULT_CATALOG,
        collection=area.collection,
        max_cloud=area.max_cloud,
        provider=area.provider,
        baseline=area.baseline,
        offset_dn=area.offset_dn,
        resampling=area.resampling,
        workers=area.readers,
    )
    size = " x ".join(map(str, source.shape))
    scenes, days = len(source.scenes), len(source.dates)
    counted = f"{scenes} {'scene' if scenes == 1 else 'scenes'}, {days} {'day' if days == 1 else 'days'}"
    note(f"{source.source_name}: {counted}, {size} pixels, {source.crs}")
    return source


def open_cube_with_options(cube: Path, area: AreaOptions, units: Units = "auto") -> CubeSource:
    """Open the CUBE of the command line, with the options that say how its pixels are read."""
    from timesenclip.eo.cube.open import open_cube

    return open_cube(
        str(cube),
        units=units,
        provider=area.provider,
        collection=area.collection,
        baseline=area.baseline,
        offset_dn=area.offset_dn,
    )


def refuse_given(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Refuse options that would have no effect, also if the value given equals the default.

    Args:
        context: context of the command.
        names: names of parameters of the command.
        why: reason; the message is the option, its value and this text.

    Raises:
        InputError: one of them was given.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')} {context.params[name]}"
            raise InputError(f"{option} {why}; leave it out, or give the cubes or --aoi to which it applies.")
