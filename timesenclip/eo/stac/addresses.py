"""Which addresses the items of a catalogue may name: a catalogue must not make us read what its author cannot read.

    items come from     may name                                                        with `allow_elsewhere`
    a STAC API          http(s) of public hosts and of the API's own host; s3, gs, az   hosts of the internal network
    a file or folder    files beneath the catalogue's folder; http(s) of public         all files, hosts of the
                        hosts; s3, gs, az                                               internal network

No option lets an item of an API name a file of this machine, and nothing lets an item name GDAL's virtual files
(`/vsizip/`), a dataset written into the address (`<VRTDataset>`) or another driver (`NETCDF:...`).

- The API's own host is allowed at any port, because pixels are often served from another port of the same machine.
- A public host is one of whose DNS addresses none is private, loopback, link-local, multicast or reserved. A host that
  DNS does not know is let through: whoever opens it cannot reach it either, and says so.
- Buckets (s3, gs, az) are not looked up: their host is set by GDAL's configuration, not by the item.

What remains: DNS can give another address when a file is opened than when it was judged (DNS rebinding). Redirects are
judged in `remote.py`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from timesenclip.errors import InputError
from timesenclip.messages import show_value

__all__ = ["BUCKETS", "MOST_CHARACTERS", "Origin", "is_web", "judge_address", "resolve_href"]

BUCKETS = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/", "abfs": "/vsiadls/"}
"""Scheme of an address in a bucket -> GDAL's name for it."""
MOST_CHARACTERS = 4096
"""A longer address is refused; signed addresses have about 500 characters."""

_SCHEME = re.compile(r"([^/?#]*?):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_VIRTUAL = re.compile(
    r"/vsi(zip|gzip|7z|rar|tar|curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs|std\w+|mem|subfile|sparse|crypt|cached|\w*"
    r"_streaming)[/?]",
    re.IGNORECASE,
)
_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d{1,5})?")
_NUMBER = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Origin:
    """Where items come from, which decides what they may name."""

    home: str
    """Address of the API, or the catalogue's folder on disk."""
    allow_elsewhere: bool = False
    """Whether the user trusts the catalogue beyond its own folder and the public network."""
    _known: dict[str, str | None] = field(default_factory=dict, compare=False, repr=False)
    """Host -> why it is refused, or None; so that each is looked up once."""

    @classmethod
    def of(cls, catalog: str, *, allow_elsewhere: bool = False) -> Origin:
        """The origin of the items of an API's address, a catalogue's file, or a folder.

        Raises:
            InputError: it begins as an address, but is none.
        """
        if is_web(catalog):
            try:
                urlsplit(catalog)
            except ValueError as error:
                raise InputError(
                    f"{show_value(catalog)} is no address of a catalogue ({error}); expected one such as "
                    "https://earth-search.aws.element84.com/v1."
                ) from error
        try:
            whole = is_web(catalog) or Path(catalog).is_dir()
        except OSError:  # a name that is too long; refused by name when the catalogue is opened
            whole = True
        return cls(catalog if whole else str(Path(catalog).parent), allow_elsewhere)

    @property
    def remote(self) -> bool:
        """Whether the items come over the network."""
        return is_web(self.home)

    def may_allow(self, address: str) -> bool:
        """Whether `allow_elsewhere` could admit a refused address."""
        if self.allow_elsewhere:
            return False
        try:
            judge_address(address, Origin(self.home, allow_elsewhere=True))
        except InputError:
            return False
        return True

    @cached_property
    def folder(self) -> Path:
        """The catalogue's folder, without symbolic links."""
        return Path(self.home).resolve()

    @property
    def host(self) -> str | None:
        """The API's own host."""
        return _plain_host(urlsplit(self.home).hostname or "") if self.remote else None


def is_web(address: str) -> bool:
    """Whether an address begins with `http://` or `https://`."""
    return address[:8].lower().startswith(("http://", "https://"))


def resolve_href(href: str, base: str) -> str:
    """An href as it is meant: a relative one belongs to its item's own address or file. Nothing is judged here.

    In an item of a server `/data/B04.tif` means a file of that server, as in a page of the web (RFC 3986), never one of
    this machine: where the server has none, its answer (404) is what the message says.

    Args:
        href: as it stands in the catalogue.
        base: address of the item (http) or path of the file in which it stands.
    """
    if href.lower().startswith("file://") and not is_web(base):
        href = unquote(href[7:])
    if _SCHEME.match(href) or href.startswith("<") or _VIRTUAL.match(href):
        return href
    if is_web(base):
        try:
            return urljoin(base, href)
        except ValueError:
            return href  # `//[`; judged as it stands
    path = Path(base).parent / href
    try:
        return str(path.resolve())
    except (OSError, RuntimeError, ValueError):  # too long, symbolic links in a circle, a null byte
        return str(path)


def judge_address(address: str, origin: Origin) -> str:
    """Give back an address that an item may name, as it is to be opened.

    Args:
        address: of `resolve_href`.
        origin: where the item comes from.

    Returns:
        The address; for a file its path without symbolic links.

    Raises:
        InputError: the address is refused; the message is the reason, without the address.
    """
    if len(address) > MOST_CHARACTERS:
        raise InputError(f"it has {len(address)} characters, expected at most {MOST_CHARACTERS}")
    if _CONTROL.search(address):
        raise InputError("it holds control characters")
    if "\\" in address and (origin.remote or is_web(address)):
        raise InputError("it holds a backslash")
    if address.lstrip().startswith("<"):
        raise InputError("it is a dataset written as text; only files are read")
    if _VIRTUAL.search(address) or _VIRTUAL.search(unquote(address)):
        raise InputError("it names one of GDAL's virtual files (/vsi...)")
    scheme = _SCHEME.match(address)
    if scheme is None:
        return _judge_path(address, origin)
    kind = scheme[1].lower()
    if kind in ("http", "https"):
        _judge_host(address, origin)
    elif kind in BUCKETS:
        _judge_bucket(address)
    elif kind == "file":
        raise InputError("it names a file of this machine, but the catalogue is remote")
    else:
        raise InputError(f"'{scheme[1][:20]}:' is not read; expected http, https, {', '.join(BUCKETS)}, or a file")
    return address


def _judge_path(address: str, origin: Origin) -> str:
    if origin.remote:
        raise InputError("it names a file of this machine, but the catalogue is remote")
    try:
        path = Path(address).resolve()
        mode = path.stat().st_mode if path.exists() else None
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: symbolic links that lead to each other
        raise InputError(f"it names no file ({type(error).__name__})") from error
    if not origin.allow_elsewhere and not path.is_relative_to(origin.folder):
        raise InputError(f"it is outside the catalogue's folder '{origin.home}'")
    if mode is not None and not stat.S_ISREG(mode):
        raise InputError("it is no regular file but a folder, pipe, socket or device")
    return str(path)


def _judge_bucket(address: str) -> None:
    rest = address.split(":", 1)[1]
    bucket, _, key = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or not _BUCKET.fullmatch(bucket) or ".." in key.split("/"):
        raise InputError("it names no file in a bucket; expected one such as s3://bucket/folder/B04.tif")


def _judge_host(address: str, origin: Origin) -> None:
    """Refuse hosts of the internal network, and addresses that two programs could understand in two ways."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise InputError(f"it is no address ({error})") from error
    if "@" in parts.netloc:
        raise InputError("it holds a user name")
    found = _AUTHORITY.fullmatch(parts.netloc)
    if found is None or port == 0:
        raise InputError("its host has characters that are not expected; write it as xn--... if it is international")
    host = _plain_host(found[1].strip("[]"))
    if origin.host is not None and host == origin.host:
        return
    if host not in origin._known:
        try:
            origin._known[host] = _why_refused(host, allow_internal=origin.allow_elsewhere)
        except OSError:  # DNS does not know it, or does not answer; not kept, since it may answer later
            return
    why = origin._known[host]
    if why is not None:
        raise InputError(why)


def _plain_host(host: str) -> str:
    return host.lower().rstrip(".")


def _why_refused(host: str, *, allow_internal: bool) -> str | None:
    """Why a host is refused; None where it is not.

    Raises:
        OSError: DNS has no answer.
    """
    numbers = [part for part in host.split(".") if _NUMBER.fullmatch(part)]
    try:
        addresses = [ipaddress.ip_address(host)]
    except ValueError:
        if not host or _NUMBER.fullmatch(host.rsplit(".", 1)[-1]) or ":" in host:
            form = "an address in numbers" if numbers else "a host"
            return f"'{host[:40]}' is no usual form of {form}; expected one such as 203.0.113.7"
        if allow_internal:
            return None
        try:
            answers = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
        except UnicodeError:
            return f"'{host[:40]}' is no host"
        addresses = [ipaddress.ip_address(str(answer[4][0]).split("%", 1)[0]) for answer in answers]
    internal = [address for address in addresses if not _is_public(address)]
    if internal and not allow_internal:
        return f"its host {host[:80]} is on the internal network ({internal[0]})"
    return None


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address belongs to the public network, also if it wraps another one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(inner)
        if address.is_site_local or address.teredo is not None:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
