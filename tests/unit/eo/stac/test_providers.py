from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from timesenclip.bands import BAND_NAMES, SCL_NAME
from timesenclip.eo.stac.providers import PROVIDERS, band_assets, provider_for, signer_for
from timesenclip.errors import InputError

# Keys of real items (the assets that are no bands among them), as the catalogues write them.
PLANETARY_COMPUTER = [
    "AOT",
    "B01",
    *BAND_NAMES,
    "B09",
    "SCL",
    "WVP",
    "visual",
    "preview",
    "product-metadata",
    "tilejson",
]


EARTH_SEARCH = [
    "aot", "blue", "coastal", "granule_metadata", "green", "nir", "nir08", "nir09", "red", "rededge1", "rededge2",
    "rededge3", "scl", "swir16", "swir22", "thumbnail", "tileinfo_metadata", "visual", "wvp", "blue-jp2", "scl-jp2",
]  # fmt: skip


CDSE = [
    f"{band}_{metres}m"
    for band in (*BAND_NAMES, "AOT", "SCL", "TCI", "WVP")
    for metres in (10, 20, 60)
    if metres >= 20 or band in ("B02", "B03", "B04", "B08", "AOT", "TCI", "WVP")
] + ["Product", "thumbnail", "safe_manifest"]


@pytest.mark.parametrize("keys", [PLANETARY_COMPUTER, EARTH_SEARCH, CDSE], ids=["pc", "earth-search", "cdse"])
def test_every_catalogue_names_the_same_bands(keys: list[str]):
    found = band_assets({key: f"s3://bucket/{key}" for key in keys})
    assert set(found) == {*BAND_NAMES, SCL_NAME}
    assert not any("jp2" in href for href in found.values())


def test_the_native_resolution_is_taken():
    found = band_assets({key: key for key in reversed(CDSE)})
    assert (found["B02"], found["B11"], found["B8A"], found["SCL"]) == ("B02_10m", "B11_20m", "B8A_20m", "SCL_20m")
    assert band_assets({"nir": "a", "nir08": "b"}) == {"B08": "a", "B8A": "b"}


def test_providers_are_known_by_name_and_address():
    assert provider_for("CDSE").name == "cdse"
    assert provider_for("https://planetarycomputer.microsoft.com/api/stac/v1").name == "planetary-computer"
    assert provider_for("https://example.org/stac").name == "esa"
    assert provider_for("https://example.org/stac", "earth-search").name == "earth-search"
    with pytest.raises(InputError, match="Unknown provider 'nasa'; expected one of planetary-computer"):
        provider_for("/data", "nasa")


def test_the_planetary_computer_is_asked_for_tokens_as_they_are_needed(monkeypatch):
    """The real client, with a token service on this machine: one token a container, a fresh one when it is refused."""
    sign = signer_for(PROVIDERS["planetary-computer"])
    from planetary_computer.settings import Settings

    asked = []

    class Tokens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"token": f"sig={len(asked)}", "msft:expiry": "2099-01-01T00:00:00Z"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Tokens)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setattr(Settings.get(), "sas_url", f"http://127.0.0.1:{server.server_port}/token")
    base = "https://sentinel2l2a01.blob.core.windows.net/sentinel2-l2"
    try:
        assert sign(f"{base}/a.tif", False) == f"{base}/a.tif?sig=1"
        assert sign(f"{base}/b.tif", False) == f"{base}/b.tif?sig=1"
        assert sign(f"{base}/b.tif", True) == f"{base}/b.tif?sig=2"
        assert asked == ["/token/sentinel2l2a01/sentinel2-l2"] * 2
    finally:
        server.shutdown()
        server.server_close()
    assert signer_for(PROVIDERS["earth-search"])("https://x/a.tif", True) == "https://x/a.tif"
