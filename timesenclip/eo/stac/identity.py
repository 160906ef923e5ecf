"""Which version of its input a map is made of: a digest that differs where a scene, its place, or a file has changed.

    file on disk       size and time of change of every band and of SCL; what the catalogue says of the scene
    file of a server   ETag, time of change and size as the server gives them; versions and checksums of the item
    file in a bucket   versions and checksums of the item alone

A file that gives no version (an error after the retries, a server that tells nothing) counts as unknown: unknown and
unknown are the same, unknown and known differ, as does the map that would come of them. At most `_MOST_FILES` files
are asked for; of larger areas that is one band of each scene and SCL, because products are replaced as a whole. A
server of which the first `_GIVE_UP` files have no answer at all is not asked for the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from timesenclip.bands import BANDS, SCL_NAME
from timesenclip.eo.stac.addresses import Origin, is_web
from timesenclip.eo.stac.items import Scene
from timesenclip.eo.stac.reader import SceneReader
from timesenclip.eo.stac.remote import answers_of_files, ask_file
from timesenclip.errors import InputError

__all__ = ["disk_versions", "file_versions", "scene_facts"]

_UNKNOWN = "unknown"
_MOST_FILES = 5_000
_THREADS = 16
_LIMIT_S = 180.0
_RETRIES = 2
_GIVE_UP = 2 * _THREADS
_FEW = (BANDS[0].name, SCL_NAME)


def scene_facts(scene: Scene) -> tuple[object, ...]:
    """What is used of a scene besides its pixels; `repr` of it is the same in every process."""
    outline = None if scene.outline is None else hashlib.sha256(scene.outline.wkb).hexdigest()[:16]
    assets = sorted((band, address.split("?")[0]) for band, address in scene.assets.items())
    return (scene.id, scene.tile, str(scene.sensed), scene.offset.offset_dn, scene.version, outline, assets)


def file_versions(scenes: Sequence[Scene], reader: SceneReader) -> list[tuple[str, str]]:
    """Address, without its token, and version of the files that are read; files in buckets are left out.

    Args:
        scenes: whose files.
        reader: how they are reached.
    """
    found = disk_versions(scenes)
    asked = _to_ask(scenes, SCL_NAME, *(band.name for band in BANDS))
    if len(asked) > _MOST_FILES:
        asked = _to_ask(scenes, *_FEW)
    answers = answers_of_files(asked, _Server(reader).version, threads=_THREADS, limit_s=_LIMIT_S)
    return sorted([*found, *((at.split("?")[0], answers.get(at) or _UNKNOWN) for at in asked)])


def disk_versions(scenes: Sequence[Scene]) -> list[tuple[str, str]]:
    """Path and version of the files that are read from disk."""
    local = {at for scene in scenes for at in scene.assets.values() if "://" not in at}
    return [(at, _version_on_disk(Path(at))) for at in sorted(local)]


class _Server:
    """Asks for versions; gives up where the first files all have no answer, for the others would have none either."""

    def __init__(self, reader: SceneReader) -> None:
        self.reader = reader
        self.answered = self.silent = 0

    def version(self, address: str) -> str:
        if self.silent >= _GIVE_UP and not self.answered:
            return _UNKNOWN
        reader = self.reader
        try:
            signed = reader.sign(address, False)
            origin = reader.origin or Origin(address)
            found = ask_file(signed, origin, retries=min(reader.retries, _RETRIES), wait_s=reader.wait_s)
        except InputError:  # a redirect that is refused
            return _UNKNOWN
        except OSError:  # requests' errors are OSErrors
            self.silent += 1
            return _UNKNOWN
        self.answered += 1
        return found.version


def _to_ask(scenes: Iterable[Scene], *bands: str) -> list[str]:
    return sorted({scene.assets[band] for scene in scenes for band in bands if is_web(scene.assets.get(band, ""))})


def _version_on_disk(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return _UNKNOWN
    return f"{status.st_size} {status.st_mtime_ns}"
