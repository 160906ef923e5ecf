"""Options of commands that read an area: the source of the pixels (a cube on disk or a search) and the workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from timesenclip.cli import options as opt
from timesenclip.cli.console import note
from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.area import AreaSource
    from timesenclip.eo.cube.source import CubeSource
    from timesenclip.eo.radiometry import Units
    from timesenclip.eo.stac.source import StacSource

__all__ = [
    "SEARCH_ONLY",
    "AreaOptions",
    "OriginOptions",
    "WorkOptions",
    "open_area",
    "open_cube_with_options",
    "refuse_given",
    "require_one_source",
    "search_area",
]

_ORIGIN = "Origin of the pixels"
_SEARCH = "Search for scenes"

SEARCH_ONLY = ("max_cloud", "resampling", "readers", "allow_elsewhere")
"""Parameters that have no effect on a cube; --catalog without --aoi has a message of its own."""

CubePath = Annotated[
    Path | None,
    typer.Argument(
        metavar="CUBE",
        help="A .nc, a folder of .nc, a .zarr, or a folder of GeoTIFFs; or give --aoi.",
        show_default=False,
    ),
]
MinClear = Annotated[
    int,
    typer.Option(
        "--min-clear",
        metavar="N",
        help="Pixels seen clearly (no cloud, no shadow) fewer times than this get no answer (nodata).",
        min=0,
    ),
]
Zones = Annotated[
    Path | None,
    typer.Option("--zones", metavar="FILE", help="Polygons; the classes are also counted within each of them."),
]
Scores = Annotated[bool, typer.Option("--scores/--no-scores", help="Write one score band per phrase.")]


@dataclass(frozen=True, slots=True)
class OriginOptions:
    """Where the pixels of a cube come from, which decides the offset that is removed from them."""

    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="NAME",
            help="earth-search, planetary-computer, cdse, ... : decides the offset.",
            rich_help_panel=_ORIGIN,
        ),
    ] = None
    collection: Annotated[
        str, typer.Option("--collection", metavar="NAME", help="Collection at that provider.", rich_help_panel=_ORIGIN)
    ] = "sentinel-2-l2a"
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", help="Processing baseline, such as 05.09.", rich_help_panel=_ORIGIN, metavar="NN.NN"
        ),
    ] = None

    @property
    def stated(self) -> dict[str, Any]:
        """Those that differ from their default, as `open_cube` takes them."""
        known = [(field.name, field.default) for field in fields(OriginOptions)]
        return {name: getattr(self, name) for name, default in known if getattr(self, name) != default}

    @property
    def text(self) -> str:
        """Those of `stated` as they are written on a command line."""
        return " ".join(f"--{name} {value}" for name, value in self.stated.items())


@dataclass(frozen=True, slots=True)
class AreaOptions(OriginOptions):
    """Where the pixels of an area come from: a cube, or a search."""

    offset_dn: opt.OffsetDn = None
    sensor: opt.Sensor = "auto"
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
        typer.Option(
            "--resampling",
            help="How 20 m bands are brought to 10 m: nearest repeats their pixels, bilinear interpolates.",
            rich_help_panel=_SEARCH,
        ),
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
    allow_elsewhere: Annotated[
        bool,
        typer.Option(
            "--allow-elsewhere",
            help="Trust the catalogue: one on disk may name files outside its folder, and any may name hosts of the "
            "internal network.",
            rich_help_panel=_SEARCH,
        ),
    ] = False

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
            max=256,
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
        """Check, before anything is read, the side of the blocks and that either threads or a cluster work.

        Raises:
            InputError: both were given, or blocks of another size.
        """
        from timesenclip.eo.area import BLOCK_MULTIPLE, checked_block

        if self.block is not None:
            checked_block(self.block, multiple=BLOCK_MULTIPLE)
        if self.workers is not None and self.dask is not None:
            raise InputError(
                "--workers and --dask were both given; the cluster sets the number of workers, so leave --workers out."
            )


def require_one_source(context: typer.Context, cube: Path | None, area: AreaOptions) -> None:
    """Check, before anything is read, that exactly one of CUBE and --aoi says where the pixels come from.

    Raises:
        InputError: neither, or both; or options of a search without an area.
    """
    if cube is None and area.aoi is None:
        raise InputError("Neither CUBE nor --aoi was given; give a cube on disk, or an area to search for.")
    if cube is not None and area.aoi is not None:
        raise InputError(f"CUBE '{cube}' and --aoi {area.aoi} were both given; give one of them.")
    area.refuse_catalog_alone()
    if area.aoi is None:
        refuse_given(context, SEARCH_ONLY, "applies to a search, but --aoi was not given")


def open_area(cube: Path | None, area: AreaOptions, read: opt.InputOptions) -> AreaSource:
    """Open the CUBE of the command line, or search for --aoi.

    Raises:
        InputError: options that do not go together.
    """
    if cube is None:
        return search_area(area, read.span, units=read.units)
    return open_cube_with_options(cube, area, read.units)


def search_area(area: AreaOptions, span: str | int | None, *, units: Units = "auto") -> StacSource:
    """Search for scenes of --aoi, and print on stderr how many were found.

    Raises:
        InputError: no area or no period was given, or --units that scenes do not have.
    """
    from timesenclip.eo.stac.open import DEFAULT_CATALOG, open_stac

    if area.aoi is None:
        raise InputError("--aoi was not given; give the area to search for.")
    if span is None:
        raise InputError("--aoi needs a period: give --period 2023, or months such as 2022-11..2023-10.")
    if units not in ("auto", "dn"):
        raise InputError(f"--units {units} cannot be used with --aoi, since scenes hold digital numbers; leave it out.")
    if area.sensor != "auto":
        raise InputError(
            f"--sensor {area.sensor} cannot be used with --aoi, which searches for scenes of Sentinel-2; leave it out."
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
        allow_elsewhere=area.allow_elsewhere,
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
        sensor=area.sensor,
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
            value = context.params[name]
            option = f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            raise InputError(f"{option} {why}; leave it out, or give the cubes or --aoi to which it applies.")
