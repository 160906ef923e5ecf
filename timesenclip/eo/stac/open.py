"""Open an area from a STAC catalogue: search, clean up, and read window by window.

    source = open_stac("field.geojson", 2023)  # Planetary Computer; no pixel is read yet
    cube = source.read((0, 256, 0, 256))  # monthly medians of clear observations
    map_cube(source, ["maize", "forest"], out="map")

One date of the result is one solar day: the tiles and UTM zones seen that day are laid onto the area's grid, the first
valid pixel wins, in an order that does not depend on the order of the search results.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.band_presence import require_any_band
from timesenclip.eo.masking import DILATE_PX
from timesenclip.eo.period import Period, as_period
from timesenclip.eo.stac.addresses import Origin, judge_address
from timesenclip.eo.stac.aoi import Aoi, open_aoi
from timesenclip.eo.stac.items import Scene, drop_duplicates, scene_from_item
from timesenclip.eo.stac.mgrs import is_tile_id
from timesenclip.eo.stac.providers import PROVIDERS, Signer, provider_for, signer_for
from timesenclip.eo.stac.reader import Failure, SceneReader
from timesenclip.eo.stac.resample import Resampling
from timesenclip.eo.stac.search import find_items
from timesenclip.eo.stac.source import StacSource
from timesenclip.errors import BrokenItemError, DataNotFoundError, DegradedInputWarning, InputError
from timesenclip.messages import list_some, redact

__all__ = ["Aoi", "Failure", "Scene", "StacSource", "open_aoi", "open_stac"]

DEFAULT_CATALOG = "planetary-computer"
DEFAULT_COLLECTION = "sentinel-2-l2a"


def open_stac(
    aoi: Aoi | str | Path | Sequence[float],
    period: Period | str | int,
    *,
    catalog: str | Path = DEFAULT_CATALOG,
    collection: str = DEFAULT_COLLECTION,
    max_cloud: float = 80.0,
    provider: str | None = None,
    baseline: str | None = None,
    offset_dn: int | None = None,
    resampling: Resampling = "nearest",
    dilate_px: int = DILATE_PX,
    clip: bool = True,
    workers: int = 8,
    retries: int = 3,
    wait_s: float = 0.5,
    sign: Signer | None = None,
    allow_elsewhere: bool = False,
) -> StacSource:
    """Search for the scenes of an area and a period, without reading their pixels.

    Args:
        aoi: the area; see `open_aoi`.
        period: a year, or any stretch (`2022-11..2023-10`).
        catalog: `planetary-computer`, `earth-search`, `cdse`, the address of another STAC API, a STAC file on disk, or
            a folder of `.SAFE` products or COGs.
        collection: collection id.
        max_cloud: leave out tiles with more cloud than this, in percent.
        provider: whose pixels an unknown catalogue or folder holds, to decide the offset; default: ESA's.
        baseline: processing baseline of scenes whose metadata and names do not say it.
        offset_dn: DN to subtract from every scene, instead of deciding it.
        resampling: of 20 m bands to the 10 m grid, `nearest` or `bilinear`; SCL and 10 m bands are always nearest.
        dilate_px: how far clouds and shadows grow, in pixels of SCL's grid (20 m).
        clip: leave out pixels outside the polygon.
        workers: scenes that are read at the same time.
        retries: how often a file that cannot be read is tried again.
        wait_s: pause before that, and before a failed search is sent again; it doubles each time.
        sign: `sign(address, renew)` for catalogues with tokens of their own; called each time a file is opened.
        allow_elsewhere: the catalogue is trusted: one on disk may name files outside its folder, and any may name
            hosts of the internal network. Without it both are refused; see `addresses.py`.

    Raises:
        InputError: an area, period, offset or option that cannot be used; an item names a file or host that its
            catalogue may not.
        DataNotFoundError: the catalogue does not answer, or has no scene (below the cloud limit).
        BandError: no scene has any of the ten bands.
        MissingExtraError: the `stac` extra is not installed.
    """
    _check(max_cloud, resampling, dilate_px, workers, retries)
    area = aoi if isinstance(aoi, Aoi) else open_aoi(aoi)
    span = as_period(period)
    if span is None:
        raise InputError("A search needs a period; give a year (2023) or a stretch (2022-11..2023-10).")
    address = _address(str(catalog))
    origin = Origin.of(address, allow_elsewhere=allow_elsewhere)
    whose = provider_for(str(catalog), provider)
    lon = (area.bounds[0] + area.bounds[2]) / 2
    facts: dict[str, Any] = {"provider": whose, "lon_deg": lon, "offset_dn": offset_dn, "baseline": baseline}
    items = find_items(address, collection=collection, aoi=area, period=span, wait_s=wait_s, origin=origin)
    found = _scenes(items, f"{catalog}/{collection}", collection=collection, **facts)
    scenes, notes = _chosen(found, span, max_cloud, f"{catalog}/{collection}", area)
    source_name = redact(f"{area.name} in {catalog}")
    reader = SceneReader(
        grid=area.grid,
        epsg=area.epsg,
        sign=sign or signer_for(whose),
        gdal=whose.gdal,
        resampling=resampling,
        dilate_px=dilate_px,
        retries=retries,
        wait_s=wait_s,
        origin=origin,
    )
    search = {"catalog": address, "collection": collection, "provider": whose.name, "max_cloud": max_cloud} | notes
    usable = tuple(_judged(scene, origin) for scene in _usable(scenes, source_name, area))
    about: dict[str, Any] = {"search": search} | _lacking(usable)
    return StacSource(area, span, usable, reader, source_name, workers, clip, whose.access, about)


def _address(catalog: str) -> str:
    """Root of the API of a named catalogue; any other text as it is."""
    named = PROVIDERS.get(catalog.lower())
    return (named.url if named else None) or catalog


def _scenes(items: Iterable[Any], source_name: str, **facts: Any) -> list[Scene]:
    """Scenes of the items that can be used; the others are named."""
    scenes, broken = [], []
    for item in items:
        try:
            scenes.append(scene_from_item(item, **facts))
        except BrokenItemError as error:
            broken.append(str(error))
    if broken and not scenes:
        raise DataNotFoundError(
            f"{source_name}: none of its {len(broken)} items for the area and period can be used; first: {broken[0]}."
        )
    if broken:
        count = len(broken) + len(scenes)
        _warn(f"{source_name}: {len(broken)} of {count} items are broken and left out: {list_some(broken)}.")
    return scenes


def _judged(scene: Scene, origin: Origin) -> Scene:
    """The scene, if its catalogue may name all its files."""
    assets = {}
    for band, address in scene.assets.items():
        try:
            assets[band] = judge_address(address, origin)
        except InputError as error:
            trusting = origin.may_allow(address)
            todo = "If you trust the catalogue, give --allow-elsewhere" if trusting else "Use another catalogue"
            raise InputError(
                f"Item '{scene.id[:80]}' names '{address.split('?')[0][:120]}' for {band}, which is refused: {error}. "
                f"{todo}."
            ) from None
    return replace(scene, assets=assets)


def _check(max_cloud: float, resampling: str, dilate_px: int, workers: int, retries: int) -> None:
    if not 0 < max_cloud <= 100:
        raise InputError(f"A cloud limit of {max_cloud:g} %; expected more than 0, and at most 100.")
    if resampling not in ("nearest", "bilinear"):
        raise InputError(f"Unknown resampling '{resampling}'; expected nearest or bilinear.")
    if dilate_px < 0 or retries < 0 or workers < 1:
        raise InputError(
            f"dilate_px {dilate_px}, retries {retries}, workers {workers}; expected 0 or more, 0 or more, 1 or more."
        )


def _chosen(
    found: list[Scene], span: Period, max_cloud: float, source_name: str, area: Aoi
) -> tuple[list[Scene], dict[str, Any]]:
    """Scenes of the period, below the cloud limit, each observation once; and what was dropped, for the notes."""
    inside = [scene for scene in found if span.start <= scene.day < span.end]
    bounds = ", ".join(f"{edge:.4g}" for edge in area.bounds)
    if not inside:
        raise DataNotFoundError(
            f"No scene of {source_name} shows {area.name} ({bounds}) in {span}; Sentinel-2 images land and coasts, not "
            "the open sea, and from 2015 on. Check the area and the period, or another catalogue."
        )
    # First the duplicates: an old version must not come back because the new one counts more cloud.
    once, dropped = drop_duplicates(inside)
    clear = [scene for scene in once if scene.cloud is None or scene.cloud <= max_cloud]
    if not clear:
        raise DataNotFoundError(
            f"All {len(once)} scenes of {area.name} in {span} have more than {max_cloud:g} % cloud; raise --max-cloud."
        )
    return clear, {"found": len(inside), "duplicates": dropped, "too_cloudy": len(once) - len(clear)}


def _usable(scenes: list[Scene], source_name: str, area: Aoi) -> list[Scene]:
    """Scenes that have a band, and SCL if any of them has it, in the order in which they fill a day.

    Of a day, scenes that lack fewer bands go first, so that one without a band hides no other that has it.
    """
    kept: list[Scene] = []
    without: list[str] = []
    masked = any(SCL_NAME in scene.assets and len(scene.lacks) < len(BAND_NAMES) for scene in scenes)
    for scene in scenes:
        gone = "known band" if len(scene.lacks) == len(BAND_NAMES) else SCL_NAME
        if gone != SCL_NAME or (masked and SCL_NAME not in scene.assets):
            without.append(f"{scene.id} has no {gone}")
        else:
            kept.append(scene)
    if not kept:
        require_any_band((), source_name=scenes[0].id)
    if without:
        _warn(f"{source_name}: {len(without)} of {len(scenes)} scenes are left out: {list_some(without)}.")
    lacking = [f"{name} has no {', '.join(bands)}" for name, bands in _lacking(kept).get("scenes_without", {}).items()]
    if lacking:
        _warn(
            f"{source_name}: {len(lacking)} of {len(kept)} scenes lack bands, which are missing there: "
            f"{list_some(lacking)}."
        )
    assumed = [scene.id for scene in kept if scene.offset.assumed]
    if assumed:
        _warn(
            f"{source_name}: {len(assumed)} of {len(kept)} scenes say no processing baseline ({list_some(assumed)}); "
            "taken to be older than 04.00, without its offset of 1000 DN. Say the baseline or the offset."
        )
    return sorted(
        kept,
        key=lambda scene: (
            scene.day,
            len(scene.lacks),
            not _own_zone(scene, area),
            scene.tile,
            scene.sensed,
            scene.id,
        ),
    )


def _lacking(scenes: Sequence[Scene]) -> dict[str, dict[str, list[str]]]:
    """For the provenance: the scenes without bands that others have, and which."""
    there = {name for scene in scenes for name in scene.assets}
    found = {scene.id: [name for name in scene.lacks if name in there] for scene in scenes}
    found = {name: bands for name, bands in found.items() if bands}
    return {"scenes_without": found} if found else {}


def _own_zone(scene: Scene, area: Aoi) -> bool:
    """Whether a scene's pixels are in the area's UTM zone, as far as its tile tells."""
    if not is_tile_id(scene.tile):
        return False
    south = scene.tile[2] < "N"
    return area.epsg == (32700 if south else 32600) + int(scene.tile[:2])


def _warn(text: str) -> None:
    warnings.warn(text, DegradedInputWarning, stacklevel=4)
