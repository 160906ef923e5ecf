"""What an item may name: addresses are judged without the network."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from timesenclip.eo.stac.addresses import Origin, is_web, judge_address, resolve_href
from timesenclip.errors import InputError

API = Origin("https://api.example.org/v1")
NAMES = {
    "pixels.example.org": ["93.184.216.34"],
    "both.example.org": ["93.184.216.34", "10.0.0.7"],
    "six.example.org": ["2606:2800:220:1::1"],
    "inside.example.org": ["fd00::1"],
    "nat64.example.org": ["64:ff9b::808:808"],
    "nat64-inside.example.org": ["64:ff9b::a00:1"],
}


@pytest.fixture(autouse=True)
def dns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A resolver that knows `NAMES`; gives the hosts that were looked up."""
    asked: list[str] = []

    def look_up(host: str, *rest: Any, **more: Any) -> list[tuple[Any, ...]]:
        asked.append(host)
        if host not in NAMES:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in NAMES[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def refused(address: str, origin: Origin) -> str:
    with pytest.raises(InputError) as caught:
        judge_address(address, origin)
    return str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "https://pixels.example.org/a/B04.tif",
        "HTTPS://Pixels.Example.ORG./a/B04.tif?sig=a%2Fb&x=1",
        "https://six.example.org:8443/B04.tif",
        "https://nat64.example.org/B04.tif",
        "https://93.184.216.34/B04.tif",
        "http://[2606:2800:220:1::1]/B04.tif",
        "https://api.example.org:9000/B04.tif",  # the API's own host, at any port
        "https://nobody.example.org/B04.tif",  # DNS does not know it: opening it fails in the usual way
        "s3://bucket/a/B04.jp2",
        "gs://bucket/a/B04.jp2",
        "az://container/B04.tif",
    ],
)
def test_public_hosts_and_buckets_are_allowed(address: str) -> None:
    assert judge_address(address, API) == address


HOSTS = {
    "127.0.0.1": "internal network",
    "10.1.2.3": "internal network",
    "172.16.0.1": "internal network",
    "192.168.0.1": "internal network",
    "100.64.0.1": "internal network",
    "169.254.169.254": "internal network",
    "0.0.0.0": "internal network",
    "224.0.0.1": "internal network",
    "255.255.255.255": "internal network",
    "[::1]": "internal network",
    "[::]": "internal network",
    "[fe80::1]": "internal network",
    "[fd00::1]": "internal network",
    "[ff02::1]": "internal network",
    "[::ffff:127.0.0.1]": "internal network",
    "[::ffff:7f00:1]": "internal network",
    "[2002:7f00:1::]": "internal network",
    "[64:ff9b::7f00:1]": "internal network",
    "both.example.org": "internal network",
    "inside.example.org": "internal network",
    "nat64-inside.example.org": "internal network",
    "2130706433": "no usual form",
    "0x7f000001": "no usual form",
    "0x7f.1": "no usual form",
    "0177.0.0.1": "no usual form",
    "127.1": "no usual form",
    "127.0.0.1.": "internal network",
    "1.2.3.4.5": "no usual form",
    "": "characters that are not expected",
    "public@127.0.0.1": "user name",
    "user:word@pixels.example.org": "user name",
    "127.0.0.1%2f.example.org": "characters that are not expected",
    "exa\u3002mple.org": "characters that are not expected",
    "\u2460\u2461\u2466.0.0.1": "characters that are not expected",
    "pixels.example.org:0": "characters that are not expected",
    "pixels.example.org:99999": "no address",
    "[::1": "no address",
    "[fe80::1%25eth0]": "no address|characters",
}


@pytest.mark.parametrize("host", HOSTS)
def test_hosts_of_the_internal_network_and_odd_spellings_are_refused(host: str) -> None:
    for scheme in ("http", "https"):
        assert any(part in refused(f"{scheme}://{host}/B04.tif", API) for part in HOSTS[host].split("|"))


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("file:///etc/passwd", "file of this machine"),
        ("/etc/passwd", "file of this machine"),
        ("../../etc/passwd", "file of this machine"),
        ("/vsizip//vsicurl/https://pixels.example.org/a.zip/B04.tif", "virtual files"),
        ("/VSICURL/http://pixels.example.org/B04.tif", "virtual files"),
        ("https://pixels.example.org/B04.tif?of=/vsizip//vsicurl/x", "virtual files"),
        ("https://pixels.example.org/B04.tif?of=%2Fvsizip%2Fx", "virtual files"),
        ("<VRTDataset><SourceFilename>/etc/passwd</SourceFilename></VRTDataset>", "written as text"),
        ("  <GDAL_WMS></GDAL_WMS>", "written as text"),
        ("NETCDF:/etc/passwd:x", "'NETCDF:' is not read"),
        ("HDF5:a.h5://x", "is not read"),
        ("GTIFF_DIR:1:/etc/passwd", "is not read"),
        ("WMS:https://pixels.example.org", "is not read"),
        ("vrt:///etc/passwd", "is not read"),
        ("vrt://https://pixels.example.org/B04.tif", "is not read"),
        ("DERIVED_SUBDATASET:LOGAMPLITUDE:/etc/passwd", "is not read"),
        ("ftp://pixels.example.org/B04.tif", "is not read"),
        ("zip+https://pixels.example.org/a.zip!B04.tif", "is not read"),
        ("C:\\Windows\\win.ini", "backslash"),
        ("https://pixels.example.org\\@127.0.0.1/B04.tif", "backslash"),
        ("https://pixels.example.org/B04.tif\nHost: x", "control characters"),
        ("https://pixels.example.org/\x00.tif", "control characters"),
        ("https://pixels.example.org/" + "a" * 5000, "5027 characters"),
        ("s3://bucket/../../etc/passwd", "no file in a bucket"),
        ("s3:///etc/passwd", "no file in a bucket"),
        ("gs://user@bucket/B04.tif", "no file in a bucket"),
        ("http:/127.0.0.1/B04.tif", "not expected"),
    ],
)
def test_what_would_be_local_or_another_driver_is_refused(address: str, why: str) -> None:
    assert why in refused(address, API)
    assert why in refused(address, Origin(API.home, allow_elsewhere=True))  # no option lets a remote item do this


def test_a_catalogue_on_the_internal_network_may_name_its_own_host() -> None:
    own = Origin("http://127.0.0.1:8000")
    assert judge_address("http://127.0.0.1:9000/B04.tif", own)
    assert "internal network" in refused("http://127.0.0.2/B04.tif", own)
    trusted = Origin("http://127.0.0.1:8000", allow_elsewhere=True)
    assert judge_address("http://127.0.0.2/B04.tif", trusted)
    assert judge_address("http://inside.example.org/B04.tif", trusted)
    assert own.may_allow("http://127.0.0.2/B04.tif")
    assert not own.may_allow("file:///etc/passwd")


def test_a_host_is_looked_up_once_and_a_bucket_never(dns: list[str]) -> None:
    origin = Origin("https://api.example.org")
    for name in ("a", "b"):
        judge_address(f"https://pixels.example.org/{name}.tif", origin)
        judge_address(f"s3://bucket/{name}.tif", origin)
    assert dns == ["pixels.example.org"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalogue's folder, and a secret beside it."""
    (tmp_path / "secret.tif").write_bytes(b"secret")
    root = tmp_path / "catalog"
    (root / "a").mkdir(parents=True)
    (root / "a" / "B04.tif").write_bytes(b"")
    return root


def test_an_item_on_disk_may_name_what_is_beneath_its_catalogue(folder: Path) -> None:
    origin = Origin.of(str(folder))
    inside = folder / "a" / "B04.tif"
    for href in ("./B04.tif", "../a/B04.tif", str(inside), inside.as_uri()):
        assert judge_address(resolve_href(href, str(folder / "a" / "item.json")), origin) == str(inside)
    assert judge_address(str(folder / "a" / "missing.tif"), origin)
    assert judge_address("https://pixels.example.org/B04.tif", origin)
    assert "internal network" in refused("http://127.0.0.1/B04.tif", origin)


def test_what_is_outside_the_folder_needs_the_option(folder: Path) -> None:
    secret = folder.parent / "secret.tif"
    (folder / "link.tif").symlink_to(secret)
    (folder / "up").symlink_to(folder.parent)
    origin, trusted = Origin.of(str(folder)), Origin.of(str(folder), allow_elsewhere=True)
    for href in ("../../secret.tif", str(secret), f"file://{secret}", "../link.tif", "../up/secret.tif"):
        address = resolve_href(href, str(folder / "a" / "item.json"))
        assert "outside the catalogue's folder" in refused(address, origin)
        assert judge_address(address, trusted) == str(secret)
        assert origin.may_allow(address)


def test_pipes_devices_folders_and_circles_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe.tif")
    (folder / "one").symlink_to(folder / "two")
    (folder / "two").symlink_to(folder / "one")
    trusted = Origin.of(str(folder), allow_elsewhere=True)
    for path in (folder / "pipe.tif", folder / "a", Path("/dev/zero")):
        assert "no regular file" in refused(str(path), trusted)
    assert "names no file" in refused(str(folder / "one"), trusted)
    assert "names no file" in refused(str(folder / ("a" * 300)), trusted)


def test_hrefs_belong_to_the_address_of_their_item() -> None:
    base = "https://api.example.org/items/one"
    assert resolve_href("./B04.tif", base) == "https://api.example.org/items/B04.tif"
    assert resolve_href("/B04.tif", base) == "https://api.example.org/B04.tif"
    assert resolve_href("//127.0.0.1/B04.tif", base) == "https://127.0.0.1/B04.tif"
    for href in ("file:///etc/passwd", "<VRTDataset/>", "/vsizip/x", "NETCDF:x", "s3://bucket/x"):
        assert resolve_href(href, base) == href
    assert is_web("HTTP://x")
    assert not is_web("/http://x")


@pytest.mark.parametrize("address", ["http://[::1", "https://\x1b[31m/", "http://[x]/"])
def test_a_catalogue_whose_address_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="is no address of a catalogue"):
        Origin.of(address)
