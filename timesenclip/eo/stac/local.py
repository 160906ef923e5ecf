"""STAC items for files without a catalogue: `.SAFE` products of ESA, and folders of COGs.

Baseline, time, offset and cloud cover are taken from the metadata beside the files (`MTD_MSIL2A.xml`) where there are
any; the rest is read from the names, as ESA, Sentinel-Hub and Earth Search write them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from timesenclip.bands import BANDS, SCL_NAME, canonical_band
from timesenclip.eo.rasters import open_raster
from timesenclip.eo.stac.addresses import Origin, judge_address
from timesenclip.errors import DataNotFoundError, InputError, TimeError
from timesenclip.files import require_regular_file

__all__ = ["local_items"]

Item = dict[str, Any]

_RASTERS = (".jp2", ".tif", ".tiff")
_MOMENT = re.compile(r"(?<!\d)(20\d{2})-?([01]\d)-?([0-3]\d)(?:T(\d{6}))?(?!\d)")
_FOLDERS = re.compile(r"(?:^|/)(20\d{2})/(\d{1,2})/(\d{1,2})(?:/|$)")
_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_TILE = re.compile(r"(?:^|[_/-])T?(\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])(?=[_/.-]|$)")
_PLATFORM = re.compile(r"(?:^|[_/])(S2[A-D])_")
_RESOLUTION = re.compile(r"^(\d\d)m$", re.IGNORECASE)
_MOST_METADATA = 64 * 2**20
"""Size of a product's metadata in bytes; ESA's have 60 kB."""
_METADATA = {
    "baseline": "PROCESSING_BASELINE",
    "start": "PRODUCT_START_TIME",
    "made": "GENERATION_TIME",
    "cloud": "Cloud_Coverage_Assessment",
    "offset": "BOA_ADD_OFFSET",
    "strip": "Datastrip_Identifier",
}
_ORDER = (*(band.name for band in BANDS), SCL_NAME)


def local_items(folder: str | Path, origin: Origin | None = None) -> list[Item]:
    """Build STAC items of a folder: one for each `.SAFE` product, and one for each set of COGs that share a name.

    Args:
        folder: the folder.
        origin: whether symbolic links may lead out of it; default: they may not.

    Raises:
        InputError: a file is a symbolic link to one outside the folder, or is no regular file.
        DataNotFoundError: no products and no files that name a band.
        TimeError: the names of COGs say no date.
    """
    root = Path(folder)
    products = sorted(path for path in [root, *root.rglob("*.SAFE")] if path.suffix == ".SAFE" and path.is_dir())
    home = origin or Origin.of(str(folder))
    items = [_safe_item(product, home) for product in products]
    loose: dict[str, dict[str, Path]] = {}
    for file in sorted(root.rglob("*")):
        inside = any(parent.suffix == ".SAFE" for parent in (file, *file.parents))
        if file.suffix.lower() in _RASTERS and not inside:
            scene, band = _scene_and_band(file.relative_to(root))
            if band is not None:
                _keep_finest(loose.setdefault(scene, {}), band, file)
    items += [_loose_item(root, scene, bands, home) for scene, bands in loose.items()]
    if not items:
        raise DataNotFoundError(
            f"'{root}' holds no Sentinel-2 images; expected .SAFE products, or COGs whose names end in a band, such as "
            "T31UDS_20180506T105031_B04_10m.tif."
        )
    return items


def _safe_item(product: Path, origin: Origin) -> Item:
    bands: dict[str, Path] = {}
    for file in sorted(product.glob("GRANULE/*/IMG_DATA/**/*")):
        band = _scene_and_band(Path(file.name))[1] if file.suffix.lower() in _RASTERS else None
        if band is not None:
            _keep_finest(bands, band, file)
    if not bands:
        raise DataNotFoundError(f"'{product}' holds no images (GRANULE/*/IMG_DATA); it may be unpacked only in part.")
    about = product / "MTD_MSIL2A.xml"
    metadata = _metadata(_judged(about, origin)) if about.exists() else {}
    return _item(product.stem, _all_judged(bands, origin), str(product.name), metadata)


def _loose_item(root: Path, scene: str, bands: dict[str, Path], origin: Origin) -> Item:
    path = f"{root.name}/{scene}"
    name = scene.strip("/._-").replace("/", "_") or root.name
    return _item(name, _all_judged(bands, origin), path, {})


def _all_judged(bands: dict[str, Path], origin: Origin) -> dict[str, Path]:
    return {band: _judged(file, origin) for band, file in bands.items()}


def _judged(file: Path, origin: Origin) -> Path:
    """The file without symbolic links, if its folder may hold it."""
    try:
        return Path(judge_address(str(file.absolute()), origin))
    except InputError as error:
        raise InputError(
            f"'{file}' is refused: {error}. Put a copy there, or give --allow-elsewhere if you trust the folder."
        ) from None


def _item(name: str, bands: dict[str, Path], path: str, metadata: dict[str, str]) -> Item:
    baseline = _BASELINE.search(path)
    platform = _PLATFORM.search(path)
    tile = _TILE.search(path.upper())
    properties: dict[str, Any] = {
        "datetime": metadata.get("start") or _parse_moment(path),
        "s2:processing_baseline": metadata.get("baseline") or (f"{baseline[1]}.{baseline[2]}" if baseline else None),
        "s2:generation_time": metadata.get("made"),
        "s2:datastrip_id": metadata.get("strip"),
        "s2:mgrs_tile": tile[1] if tile else None,
        "platform": platform[1] if platform else None,
        "eo:cloud_cover": _number(metadata.get("cloud")),
        "timesenclip:boa_add_offset": _number(metadata.get("offset")),
    }
    first = next(bands[band] for band in _ORDER if band in bands)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "geometry": _footprint(bands.values(), first),
        "properties": {key: value for key, value in properties.items() if value is not None},
        "assets": {band: {"href": str(file.resolve())} for band, file in bands.items()},
    }


def _number(text: str | None) -> float | str | None:
    """A number of the metadata; text that is none is kept, so that the item is named as broken."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text


def _scene_and_band(path: Path) -> tuple[str, str | None]:
    """Name of a scene, and band, of a file: the name without the parts that say band and resolution."""
    parts = re.split(r"([_\-.])", path.stem)
    band = None
    for i in range(len(parts) - 1, -1, -2):
        named = SCL_NAME if parts[i].upper() == SCL_NAME else canonical_band(parts[i])
        if named is not None and band is None:
            band, parts[i] = named, ""
        elif _RESOLUTION.match(parts[i]):
            parts[i] = ""
    return f"{path.parent.as_posix()}/{''.join(parts).rstrip('_-.')}".removeprefix("./"), band


def _keep_finest(bands: dict[str, Path], band: str, file: Path) -> None:
    """Of copies at several resolutions (R10m, R20m, R60m) keep the finest."""

    def metres(path: Path) -> int:
        match = re.search(r"_(\d\d)m\.", path.name)
        return int(match[1]) if match else 0

    if band not in bands or metres(file) < metres(bands[band]):
        bands[band] = file


def _parse_moment(path: str) -> str:
    found = _MOMENT.search(path)
    if found:
        clock = found[4] or "103000"  # about when Sentinel-2 passes, in solar time
        return f"{found[1]}-{found[2]}-{found[3]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"
    folders = _FOLDERS.search(path)  # the layout of the buckets on AWS: .../2022/1/26/0/R10m
    if folders:
        return f"{folders[1]}-{int(folders[2]):02d}-{int(folders[3]):02d}T10:30:00Z"
    raise TimeError(f"'{path}' names no date; expected one such as 20180506T105031 or 2018-05-06 in the file's name.")


def _metadata(path: Path) -> dict[str, str]:
    """Values from ESA's product metadata; none if the file is absent or broken, since the names hold most of them."""
    from xml.etree import ElementTree

    try:
        require_regular_file(path)
        if path.stat().st_size > _MOST_METADATA:
            return {}
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError):  # LookupError: an unknown encoding
        return {}
    metadata = {}
    for element in root.iter():
        tag = element.tag.rsplit("}", 1)[-1]
        for key, wanted in _METADATA.items():
            if tag == wanted and key not in metadata and element.text:
                metadata[key] = element.text.strip()
    for granule in root.iter():
        if granule.tag.rsplit("}", 1)[-1] == "Granule" and "datastripIdentifier" in granule.attrib:
            metadata.setdefault("strip", granule.attrib["datastripIdentifier"])
    return metadata


def _footprint(files: Iterable[Path], first: Path) -> Item | None:
    """Outline in EPSG:4326 of the first file that can be opened; None (anywhere) where none can."""
    from rasterio.errors import RasterioError
    from rasterio.warp import transform_bounds

    for file in (first, *files):
        try:
            with open_raster(file) as raster:
                west, south, east, north = transform_bounds(raster.crs, 4326, *raster.bounds)
        except (RasterioError, AttributeError, ValueError):
            continue
        corners = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {"type": "Polygon", "coordinates": [corners]}
    return None
