"""Where Sentinel-2 L2A can be had: one table of catalogues, their names for bands, how files are reached, whose pixels
they hold.

The offset of a scene's DN is decided in `eo/radiometry.py` by the provider's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from timesenclip.bands import BANDS, SCL_NAME, canonical_band
from timesenclip.errors import InputError
from timesenclip.extras import require

__all__ = [
    "PROVIDERS",
    "Provider",
    "Signer",
    "band_assets",
    "provider_for",
    "signer_for",
]

Signer = Callable[[str, bool], str]
"""`sign(address, renew)` gives the address under which a file may be read now; `renew` asks for a fresh token."""


@dataclass(frozen=True)
class Provider:
    """A catalogue and how its files are reached."""

    name: str
    """Key of the offset policies in `eo.radiometry`."""
    url: str | None
    """Root of its STAC API; None for local files and unknown catalogues."""
    signing: str = "none"
    """`none`, or `planetary-computer`: a short-lived token is put on each address when it is opened."""
    gdal: Mapping[str, str] = field(default_factory=dict)
    """GDAL options needed to read its files."""
    access: str = ""
    """What to check when nothing can be read: one sentence."""


PROVIDERS: dict[str, Provider] = {
    "planetary-computer": Provider(
        "planetary-computer",
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        signing="planetary-computer",
        access="The Planetary Computer limits requests; a key in PC_SDK_SUBSCRIPTION_KEY raises the limit.",
    ),
    "earth-search": Provider("earth-search", "https://earth-search.aws.element84.com/v1"),
    "cdse": Provider(
        "cdse",
        "https://stac.dataspace.copernicus.eu/v1",
        gdal={
            "AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu",
            "AWS_VIRTUAL_HOSTING": "FALSE",
            "AWS_HTTPS": "YES",
        },
        access="CDSE needs S3 keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
        "(https://eodata-s3keysmanager.dataspace.copernicus.eu).",
    ),
    # ESA's own files, and unknown catalogues, which are assumed to hold ESA's pixels; pixel_checks compares.
    "esa": Provider("esa", None),
}
"""By name; `--catalog` takes these, an address or a path."""

_HOSTS = {urlsplit(provider.url).hostname: provider for provider in PROVIDERS.values() if provider.url}
_WITH_RESOLUTION = re.compile(r"_(\d\d)m$", re.IGNORECASE)
_ONE_AT_A_TIME = Lock()
_FINEST = {band.name: band.resolution_m for band in BANDS} | {SCL_NAME: 20}


def provider_for(catalog: str, named: str | None = None) -> Provider:
    """The provider of a catalogue: by its name, by the host of its address, or as the user names it.

    Raises:
        InputError: the user names one that is not in the table.
    """
    if named is not None:
        if named.lower() not in PROVIDERS:
            raise InputError(f"Unknown provider '{named}'; expected one of {', '.join(PROVIDERS)}.")
        return PROVIDERS[named.lower()]
    if catalog.lower() in PROVIDERS:
        return PROVIDERS[catalog.lower()]
    return _HOSTS.get(urlsplit(catalog).hostname, PROVIDERS["esa"])


def band_assets(assets: Mapping[str, str]) -> dict[str, str]:
    """Canonical band (and SCL) -> address, from a STAC item's assets whatever the catalogue calls them.

    Takes `B02` (Planetary Computer), `blue` and `rededge1` (Earth Search) and `B02_10m` (CDSE, of which the native
    resolution is kept); leaves out copies such as `blue-jp2`, and all other assets.
    """
    found: dict[str, tuple[int, str]] = {}
    for key, href in assets.items():
        suffix = _WITH_RESOLUTION.search(key)
        stem = _WITH_RESOLUTION.sub("", key)
        band = SCL_NAME if stem.upper() == SCL_NAME else canonical_band(stem)
        if band is None:
            continue
        coarser = abs(int(suffix[1]) - _FINEST[band]) if suffix else 0
        if band not in found or coarser < found[band][0]:
            found[band] = (coarser, href)
    return {band: href for band, (_, href) in found.items()}


def signer_for(provider: Provider) -> Signer:
    """How addresses of this provider become readable.

    Raises:
        MissingExtraError: the provider needs a package that is not installed.
    """
    if provider.signing == "planetary-computer":
        _planetary_computer()  # now, so that a missing package is reported before anything is read
        return _sign_planetary_computer
    return _unsigned


def _unsigned(address: str, renew: bool) -> str:
    return address


def _sign_planetary_computer(address: str, renew: bool) -> str:
    sas = _planetary_computer()
    with _ONE_AT_A_TIME:  # one token serves a whole container: ask for it once, not once a thread
        if renew:
            sas.TOKEN_CACHE.clear()
        return str(sas.sign_url(address))


def _planetary_computer() -> Any:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return require("stac", "planetary_computer.sas", needed_by="The Planetary Computer")
