"""Pixels of scenes in a window of the area's grid.

rasterio reads windows of the files and the pixels are looked up by their coordinates here, rather than by odc-stac or
GDAL's warper: each file is opened, signed, retried and named on its own (odc-stac does none of these:
opendatacube/odc-stac#97, #144), and a pixel's value does not depend on the block in which it is read, as it does with
the warper's approximated transform.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from timesenclip.bands import BANDS, SCL_NAME
from timesenclip.eo.masking import DILATE_PX, clear_where_seen
from timesenclip.eo.radiometry import usable_reflectance
from timesenclip.eo.rasters import open_raster
from timesenclip.eo.stac.addresses import BUCKETS, Origin, is_web
from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.providers import Signer
from timesenclip.eo.stac.remote import ask_file, redirects_nowhere
from timesenclip.eo.stac.resample import PixelPlaces, Resampling, look_up_nearest, read_around, sample
from timesenclip.errors import InputError
from timesenclip.grid import Grid, Window
from timesenclip.retries import with_retries

__all__ = ["Failure", "SceneReader", "SceneWindow"]

T = TypeVar("T")

_GDAL: Mapping[str, Any] = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",  # no `.aux.xml` beside a file
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_TIMEOUT": "90",
    "GDAL_HTTP_CONNECTTIMEOUT": "15",
    "GDAL_HTTP_LOW_SPEED_TIME": "30",  # seconds ...
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1000",  # ... at fewer bytes a second end a request
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_MULTIPLEX": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",  # the header of a COG in one request
    "CPL_VSIL_CURL_CACHE_SIZE": "134217728",  # headers of a year of scenes, so that the next window need not ask again
}
_NATIVE_M = 10
"""Bands of this resolution are never interpolated: on their own grid they are the data."""
_REFUSED = re.compile(r"\b(401|403)\b|AccessDenied|AuthenticationFailed|Forbidden", re.IGNORECASE)
_NETWORK = re.compile(r"code: (429|5\d\d)|curl|connect|resolve|time.?out|timed out|SSL", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Failure:
    """A file that could not be read, after all retries."""

    scene: str
    """Id of the scene, of which nothing is used in this window."""
    band: str
    """Band or SCL."""
    address: str
    """Without its token."""
    window: Window
    """Window of the area's grid."""
    reason: str
    """GDAL's message."""

    @property
    def of_network(self) -> bool:
        """Whether the file may be sound: the network, the server or the token failed."""
        return bool(_REFUSED.search(self.reason) or _NETWORK.search(self.reason))

    def __str__(self) -> str:
        """`S2A_... B04 (https://...: HTTP response code: 404)`."""
        return f"{self.scene} {self.band} ({self.address}: {self.reason})"


@dataclass(frozen=True, slots=True)
class SceneWindow:
    """The pixels of one scene in a window of the area's grid."""

    reflectance: NDArray[np.float32]
    """(C, y, x), 0 where not valid and in bands that the scene does not have."""
    valid: NDArray[np.bool_]
    """(y, x): seen in all bands of the scene, and clear where clouds are masked."""
    lowest_dn: NDArray[np.float32]
    """(N,) DN of the darkest band of each valid pixel as in the files, to check the offset by."""


class _Unreadable(Exception):
    """A file failed for good; carries the `Failure`."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(str(failure))
        self.failure = failure


@dataclass(frozen=True)
class SceneReader:
    """Reads scenes onto one grid; safe to use from several threads."""

    grid: Grid
    """The area's."""
    epsg: int
    """Its CRS."""
    sign: Signer
    """Makes addresses readable, at the moment they are opened."""
    gdal: Mapping[str, str] = field(default_factory=dict)
    """The provider's GDAL options."""
    resampling: Resampling = "nearest"
    """Of the 20 m bands; 10 m bands and SCL are always nearest."""
    dilate_px: int = DILATE_PX
    """How far clouds and shadows grow, in pixels of SCL's own grid."""
    retries: int = 3
    """How often a file that fails is tried again."""
    wait_s: float = 0.5
    """First pause before that; it doubles."""
    origin: Origin | None = None
    """What redirects may lead to; None: they are not looked at."""
    broken: set[str] = field(default_factory=set, compare=False, repr=False)
    """Addresses that failed for good in some window; in the next ones they are tried once."""
    _direct: set[str] = field(default_factory=set, compare=False, repr=False)
    """Addresses that are known not to be redirected."""

    def read(self, scene: Scene, box: Window, *, mask: bool) -> SceneWindow | Failure | None:
        """Read a window of a scene.

        Args:
            scene: with at least one band, and SCL where clouds are masked.
            box: window of the area's grid.
            mask: leave out what SCL calls cloud, shadow or defective.

        Returns:
            The pixels; None where the scene shows nothing (clear) of the window; the failure where a file is broken.
        """
        import rasterio

        places = PixelPlaces(self.grid, self.epsg, box)
        try:
            with rasterio.Env(**{**_GDAL, "GDAL_HTTP_RETRY_DELAY": str(self.wait_s / 2), **self.gdal}):
                valid = np.ones(box.shape, dtype=np.bool_)
                if mask:  # first, since most of a cloudy scene need not be read at all
                    valid = self._try(scene, SCL_NAME, box, lambda raster: self._clear(raster, places))
                    if not valid.any():
                        return None
                return self._bands(scene, box, places, valid)
        except _Unreadable as error:
            return error.failure

    def _bands(self, scene: Scene, box: Window, places: PixelPlaces, valid: NDArray[np.bool_]) -> SceneWindow | None:
        reflectance = np.zeros((len(BANDS), *valid.shape), dtype=np.float32)  # (C, y, x)
        lowest = np.full(valid.shape, np.inf, dtype=np.float32)
        for i, band in enumerate(BANDS):
            if band.name not in scene.assets:
                continue
            way: Resampling = self.resampling if band.resolution_m > _NATIVE_M else "nearest"

            def take(raster: Any, way: Resampling = way) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
                return sample(raster, places, way)

            values, there = self._try(scene, band.name, box, take)
            reflectance[i], seen = usable_reflectance(values, units="dn", offset_dn=scene.offset.offset_dn)
            valid &= there & seen
            np.minimum(lowest, values, out=lowest, where=there & seen)
            if not valid.any():
                return None
        reflectance *= valid
        return SceneWindow(reflectance, valid, lowest[valid])

    def _clear(self, raster: Any, places: PixelPlaces) -> NDArray[np.bool_]:
        """Clear pixels; SCL is read with a rim, so that clouds grow across the edges of blocks."""
        rows, columns = places.in_file(raster)
        values, seen, first = read_around(raster, rows, columns, rim=self.dilate_px)
        clear = clear_where_seen(values, seen, dilate_px=self.dilate_px)
        return np.asarray(look_up_nearest(clear, rows, columns, first, outside=False))

    def followed(self, address: str, signed: str) -> str:
        """The address behind all redirects, each of which is judged; GDAL would follow them unseen.

        Raises:
            InputError: a redirect leads to where the catalogue may not.
            OSError: there is no answer, or an error; as GDAL's message names it.
        """
        if self.origin is None or not is_web(signed) or address in self._direct or redirects_nowhere(signed):
            return signed
        answer = ask_file(signed, self.origin)
        if answer.status >= 400:
            raise OSError(f"HTTP response code: {answer.status}")
        if answer.address == signed:
            self._direct.add(address)
        return answer.address

    def _try(self, scene: Scene, band: str, box: Window, read: Callable[[Any], T]) -> T:
        """Open a file of a scene and read it; sign again if access is refused, retry errors that may be temporary."""
        import rasterio

        address = scene.assets[band]
        retries = 0 if address in self.broken else self.retries
        passing = (rasterio.errors.RasterioError, OSError)  # requests' errors, when signing fails, are OSErrors
        renew = False

        def attempt(number: int) -> T:
            nonlocal renew
            try:
                signed = self.sign(address, renew)
                final = self.followed(address, signed)
                with _fresh(final, number), open_raster(_gdal_path(final)) as raster:
                    return read(raster)
            except passing as error:
                renew = bool(_REFUSED.search(_plain(error)))
                raise

        try:
            return with_retries(
                attempt, retries=retries, errors=passing, wait_s=self.wait_s if _is_remote(address) else 0.0
            )
        except InputError as error:  # the file can be read but has the wrong content: a retry would not help
            reason = str(error)
        except (*passing, ValueError) as error:  # rasterio raises ValueError for a broken CRS
            reason = _plain(error)
        self.broken.add(address)
        raise _Unreadable(Failure(scene.id, band, address.split("?", 1)[0], box, reason))


def _gdal_path(address: str) -> str:
    if is_web(address):
        return f"/vsicurl/{address}"
    scheme, separator, rest = address.partition("://")
    return f"{BUCKETS[scheme.lower()]}{rest}" if separator and scheme.lower() in BUCKETS else address


def _is_remote(address: str) -> bool:
    return is_web(address) or address.partition("://")[0].lower() in BUCKETS


def _fresh(address: str, attempt: int) -> Any:
    """From the second attempt on, GDAL must not use its cache of an address, which holds the failure, too."""
    import rasterio

    if attempt == 0 or not _is_remote(address):
        return nullcontext()
    return rasterio.Env(CPL_VSIL_CURL_NON_CACHED=_gdal_path(address))


def _plain(error: Exception) -> str:
    """What went wrong, in one line without tokens."""
    cause = error.__cause__ or error
    return re.sub(r"\?\S+", "", " ".join(str(cause).split()))[:160] or type(cause).__name__
