"""Where the pixels of an area come from: a cube on disk, or a search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from timesenclip.errors import InputError

if TYPE_CHECKING:
    from timesenclip.eo.radiometry import Units
    from timesenclip.eo.stac.source import StacSource

__all__ = ["refuse_both", "refuse_given", "searched_source"]

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


def refuse_given(context: typer.Context, names: Sequence[str], why: str) -> None:
    """Refuse options that would have no effect, also where the value given is their default.

    Args:
        context: of the command.
        names: parameters of the command.
        why: end of the sentence that begins with the option and its value.

    Raises:
        InputError: one of them was given.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = f"--{name.replace('_', '-')} {context.params[name]}"
            raise InputError(f"{option} {why}; leave it out, or give the pixels that it is meant for.")


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
    from timesenclip.eo.stac.open import DEFAULT_CATALOG, open_stac

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
    note(f"{source.source_name}: {counted}, {size} pixels, {source.crs}")
    return source
