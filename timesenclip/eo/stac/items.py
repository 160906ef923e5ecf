"""Scenes from the STAC items of any catalogue, and removal of duplicates of one observation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from timesenclip.bands import BAND_NAMES
from timesenclip.eo.radiometry import OffsetDecision, decide_offset
from timesenclip.eo.stac.item_checks import (
    footprint,
    item_assets,
    item_id,
    item_properties,
    item_version,
    optional_number,
    parse_moment,
)
from timesenclip.eo.stac.providers import Provider, band_assets
from timesenclip.errors import BrokenItemError
from timesenclip.messages import show_value

__all__ = ["Scene", "drop_duplicates", "scene_from_item", "solar_day"]

_PRODUCT = re.compile(r"(S2[A-D])_MSIL2A_(\d{8}T\d{6})_N(\d{2})(\d{2})_R\d{3}_T(\w{5})_(\d{8}T\d{6})")
_TILE = re.compile(r"(?:^|[_/-])T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?=[_/.-]|$)")
_DATATAKE = re.compile(r"GS2[A-D]_(\d{8}T\d{6})_")
_STRIP = re.compile(r"_S(\d{8}T\d{6})")
_PLATFORM = re.compile(r"(?i)s(?:entinel-?)?2([a-d])")
_LANDSAT = re.compile(r"(?i)landsat|l[ceto]0\d_|hls\.l30")
_SAME_TAKE = np.timedelta64(600, "s")
"""Scenes of one tile and satellite this near in time are of one pass: the next is about ten days away."""
_SAME_STRIP = np.timedelta64(20, "s")
"""Data strips of one pass that begin this near to each other are one strip, processed more than once."""


@dataclass(frozen=True)
class Scene:
    """One acquisition of one tile."""

    id: str
    """Id of the STAC item, or name of the product."""
    tile: str
    """`31UFS`; empty where not known."""
    platform: str
    """`S2A`; empty where not known."""
    sensed: np.datetime64
    """Start of the pass, datetime64[s], UTC."""
    day: np.datetime64
    """Solar day at the area, datetime64[D]."""
    strip: np.datetime64 | None
    """Start of the data strip; a pass over one tile can come in two, which complete each other."""
    baseline: str | None
    """`05.09`"""
    made: str
    """When it was processed, as text that sorts."""
    cloud: float | None
    """Cloud cover of the tile in percent."""
    offset: OffsetDecision
    """What is subtracted from its DN."""
    assets: Mapping[str, str]
    """Canonical band (and SCL) -> address."""
    outline: Any = None
    """shapely geometry in EPSG:4326; None where not known."""
    version: str = ""
    """Digest of what the item says of its own version and of the checksums of its files."""

    @property
    def baseline_key(self) -> tuple[int, ...]:
        """Baseline that sorts; unknown is oldest."""
        return tuple(int(part) for part in self.baseline.split(".")) if self.baseline else (-1,)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Bands that it does not have."""
        return tuple(name for name in BAND_NAMES if name not in self.assets)

    @property
    def may_hold_offset(self) -> bool:
        """Whether its pixels were ever given the offset: from baseline 04.00 on."""
        return self.baseline is None or self.baseline_key >= (4, 0)


def solar_day(moment: np.datetime64, lon_deg: float) -> np.datetime64:
    """Day of mean solar time at a longitude: a pass and its neighbours share it wherever UTC changes the date."""
    shift = np.timedelta64(round(lon_deg / 15 * 3600), "s")
    day: np.datetime64 = (moment.astype("datetime64[s]") + shift).astype("datetime64[D]")
    return day


def scene_from_item(
    item: Mapping[str, Any],
    *,
    provider: Provider,
    collection: str,
    lon_deg: float,
    offset_dn: int | None = None,
    baseline: str | None = None,
) -> Scene:
    """Read a STAC item.

    Args:
        item: the item as JSON, asset addresses absolute.
        provider, collection: whose pixels they are, for the offset; the item's own collection goes first.
        lon_deg: longitude of the area, for the solar day.
        offset_dn: offset that the user gave, for every scene.
        baseline: used where the item names none.

    Raises:
        BrokenItemError: the item has no time, or something else than is expected where a value is used; names item and
            field.
        InputError: the offset cannot be decided.
    """
    name = item_id(item)
    facts: dict[str, Any] = {"provider": provider, "collection": collection, "lon_deg": lon_deg}
    try:
        return _scene(name, item, offset_dn=offset_dn, baseline=baseline, **facts)
    except BrokenItemError as error:
        raise BrokenItemError(f"item '{name}' {error}") from error


def _scene(
    name: str,
    item: Mapping[str, Any],
    *,
    provider: Provider,
    collection: str,
    lon_deg: float,
    offset_dn: int | None,
    baseline: str | None,
) -> Scene:
    properties = item_properties(item)
    _require_sentinel(name, properties)
    product = _parse_product(item, properties)
    when = product[2] if product else None
    take = _DATATAKE.search(str(properties.get("s2:datatake_id", "")))
    said = properties.get("datetime") or properties.get("start_datetime")
    sensed = parse_moment(take[1] if take else when) or parse_moment(said)
    if sensed is None:
        what = f"has datetime {show_value(said)}" if said else "has no datetime"
        raise BrokenItemError(f"{what}, expected one such as 2023-05-06T10:50:31Z")
    strip = _STRIP.search(str(properties.get("s2:datastrip_id", "")))
    own = properties.get("s2:processing_baseline") or properties.get("processing:version")
    own = own if re.fullmatch(r"\d{1,2}\.\d{1,2}", str(own)) else None
    found = own or (f"{product[3]}.{product[4]}" if product else None) or baseline
    day = solar_day(sensed, lon_deg)
    assets = item_assets(item)
    used = band_assets({key: key for key in assets})  # band -> key
    declared = optional_number(properties, "timesenclip:boa_add_offset", -10_000, 10_000)
    return Scene(
        id=name,
        tile=_parse_tile(name, properties, product),
        platform=_parse_platform(name, properties, product),
        sensed=sensed,
        day=day,
        strip=parse_moment(strip[1]) if strip else None,
        baseline=found,
        made=_digits(
            properties.get("s2:generation_time") or (product[6] if product else "") or properties.get("created")
        ),
        cloud=optional_number(properties, "eo:cloud_cover", 0, 100),
        offset=decide_offset(
            provider.name,
            str(item.get("collection") or collection),
            baseline=found,
            day=day,
            declared=None if declared is None else round(declared),
            given=offset_dn,
        ),
        assets={band: assets[key] for band, key in used.items()},
        outline=footprint(item.get("geometry")),
        version=item_version(item, set(used.values())),
    )


def _require_sentinel(name: str, properties: Mapping[str, Any]) -> None:
    """Refuse what is of Landsat, whose names of bands and numbers mean something else.

    Raises:
        BrokenItemError: it is.
    """
    if _LANDSAT.match(name) or _LANDSAT.match(str(properties.get("platform") or "")):
        raise BrokenItemError(
            "is of Landsat, but Sentinel-2 L2A is searched for; download its files, and give their folder with --sensor"
        )


def drop_duplicates(scenes: Iterable[Scene]) -> tuple[list[Scene], dict[str, str]]:
    """Keep one scene of each tile, pass and data strip: that of the newest baseline, then the latest made.

    Returns:
        The scenes that stay, by time, tile and id, and why each of the others was dropped: id -> reason.
    """
    kept: list[Scene] = []
    dropped: dict[str, str] = {}
    for group in _same_observation(scenes):
        best = max(group, key=lambda scene: (scene.baseline_key, scene.made, scene.id))
        kept.append(best)
        others = [scene for scene in group if scene is not best]
        dropped |= {
            scene.id: f"same tile and pass as {best.id}, baseline {scene.baseline or 'unknown'} not newer"
            for scene in others
            if scene.id != best.id
        }
    return sorted(kept, key=lambda scene: (scene.sensed, scene.tile, scene.id)), dropped


def _same_observation(scenes: Iterable[Scene]) -> list[list[Scene]]:
    groups: list[list[Scene]] = []
    ordered = sorted(scenes, key=lambda scene: (scene.tile, scene.platform, scene.sensed, scene.id))
    for scene in ordered:
        for group in reversed(groups[-4:]):  # a pass comes in few strips: no need to look far back
            if _same(group[0], scene):
                group.append(scene)
                break
        else:
            groups.append([scene])
    return groups


def _same(one: Scene, other: Scene) -> bool:
    if not one.tile:
        return one.id == other.id
    near = abs(one.sensed - other.sensed) <= _SAME_TAKE
    alike = (one.tile, one.platform) == (other.tile, other.platform) and bool(near)
    if one.strip is None or other.strip is None:
        return alike
    return alike and bool(abs(one.strip - other.strip) <= _SAME_STRIP)


def _parse_product(item: Mapping[str, Any], properties: Mapping[str, Any]) -> re.Match[str] | None:
    """ESA's name of the product, wherever the catalogue has put it."""
    for text in (properties.get("s2:product_uri"), properties.get("title"), item.get("id")):
        match = _PRODUCT.search(str(text))
        if match:
            return match
    return None


def _parse_tile(name: str, properties: Mapping[str, Any], product: Sequence[str] | re.Match[str] | None) -> str:
    for text in (properties.get("s2:mgrs_tile"), properties.get("grid:code"), properties.get("s2:tile_id")):
        match = _TILE.search(str(text).upper().replace("MGRS-", "_")) if text else None
        if match:
            return match[1].zfill(5)
    if product:
        return str(product[5])
    match = _TILE.search(name.upper())
    return match[1].zfill(5) if match else ""


def _parse_platform(name: str, properties: Mapping[str, Any], product: Sequence[str] | re.Match[str] | None) -> str:
    if product:
        return str(product[1])
    match = _PLATFORM.search(str(properties.get("platform") or "")) or _PLATFORM.match(name)
    return f"S2{match[1].upper()}" if match else ""


def _digits(text: object) -> str:
    """A moment as digits that sort; empty where there is none."""
    return re.sub(r"\D", "", str(text))[:14] if text else ""
