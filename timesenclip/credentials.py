"""Credentials taken out of text before it is printed or written to a file.

Addresses of scenes carry them (`https://user:password@host`, `?token=...`, signatures of Azure and Amazon), the
environment holds them, and libraries repeat both in their errors.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from urllib.parse import quote, quote_plus

__all__ = ["redact", "secret_values"]

_HIDDEN = "..."

_SECRET_NAME = re.compile(r"KEY(_ID)?$|KEYS$|^KEY_|_KEY_|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|(^|_)SAS(_|$)", re.I)
_HARMLESS_NAME = re.compile(r"^(TOKENIZERS_|HF_TOKEN_PATH$)", re.I)
_SHORTEST = 6
"""Shorter values of variables are not looked for: they are part of too many words."""

_HARMLESS = frozenset({"bbox", "collections", "datetime", "doi", "format", "id", "lang", "limit", "page", "version"})
"""Parameters of an address that may be shown; an address with any other loses all that follows its `?`."""

_ADDRESS = re.compile(r"(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]{0,30}://)(?P<rest>[^\s'\"<>`]+)")
# With a colon the user name ends at the last @, since passwords hold slashes; a colon before digits begins a port.
_USER = re.compile(r"^(?:[^/@?#:]*:(?!\d+(?:[/?#]|$))[^@]*(?:@[^@/]*)*@|[^/?#@]*@)")
# A comma or bracket at the end belongs to the sentence; and what is hidden already stays as it is.
_QUERY = re.compile(r"\?(?P<query>[^#]*[^#,;:.)}])")
_FRAGMENT = re.compile(r"#[^#]*=(?:.*[^,;:.)}])?")
_VIRTUAL = re.compile(r"(/vsi[a-z0-9_]+\?)[^\s'\"<>`]*[^\s'\"<>`,;:.)}]")

_HEADER = re.compile(
    r"(?i)((?:proxy-)?authorization|(?:set-)?cookie|x-[a-z-]{0,30}(?:key|token)|ocp-apim-subscription-key)"
    r"(['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic|token)\s+)?[^\s'\",;]+"
)
_BEARER = re.compile(r"\b([Bb]earer\s+)[\w.~+/=-]{8,}")
_NAMED = re.compile(
    r"(?i)(?:(?<![a-z0-9])|(?<=%3F)|(?<=%26))((?:x-amz-)?(?:sig|signature|security-token|credential)|(?:access|id|refresh|sas|api)?[_-]?token"
    r"|api[_-]?key|subscription-key|awsaccesskeyid|aws_[a-z_]{0,20}key[a-z_]{0,9}|password|passwd|(?:client_)?secret)"
    r"(['\"]?(?:=|%3D|:\s?['\"]))[^\s&'\",;)\]}]+"
)
_SHAPES = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\beyJ[\w-]{10,500}\.[\w-]{10,}(?:\.[\w-]*)?|\bhf_[A-Za-z0-9]{20,}\b"
)
"""Keys of Amazon, JSON web tokens, and tokens of the Hugging Face hub."""


def secret_values() -> dict[str, str]:
    """Values of the environment variables whose name says that they are secret, each with its name in brackets."""
    found: dict[str, str] = {}
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST and _is_secret(name):
            forms = {value, quote(value, safe=""), quote(value), quote_plus(value), escape(value)}
            forms |= {json.dumps(value)[1:-1], repr(value)[1:-1], " ".join(value.split())}
            found |= {form: f"[{name}]" for form in forms if len(form) >= _SHORTEST}
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def redact(text: str, *, secrets: Mapping[str, str] | None = None) -> str:
    """The text without credentials.

    Replaced by `...` are user names and passwords in addresses, what follows `?` in them (but for parameters such as
    `limit`), headers such as `Authorization`, values that are named `token`, `password` and the like, and keys with the
    form of Amazon's; by the name in brackets the values of environment variables whose name says that they are secret
    (`...KEY`, `...TOKEN`, `...SECRET`, `...PASSWORD`, `...CREDENTIAL`, `...SAS`).

    Args:
        text: a message, or a text for a file. A text without credentials comes back as it is.
        secrets: `secret_values()`, for many texts in a row; default: read from the environment.
    """
    for value, shown in (secret_values() if secrets is None else secrets).items():
        text = text.replace(value, shown)
    if "/vsi" in text:
        text = _VIRTUAL.sub(rf"\1{_HIDDEN}", text)
    if "://" in text:
        text = _ADDRESS.sub(lambda found: found["scheme"] + _address(found["rest"]), text)
    if "earer " in text:
        text = _BEARER.sub(rf"\1{_HIDDEN}", text)
    if any(sign in text for sign in (":", "=", "%3")):
        text = _HEADER.sub(rf"\1\2{_HIDDEN}", text)
        text = _NAMED.sub(rf"\1\2{_HIDDEN}", text)
    return _SHAPES.sub(_HIDDEN, text)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None and _HARMLESS_NAME.search(name) is None


def _address(rest: str) -> str:
    """What follows `://`, without user, password and parameters."""
    rest = _FRAGMENT.sub(f"#{_HIDDEN}", _USER.sub(f"{_HIDDEN}@", rest))
    return _QUERY.sub(lambda found: found[0] if _is_harmless(found["query"]) else f"?{_HIDDEN}", rest)


def _is_harmless(query: str) -> bool:
    return all(part.partition("=")[0].lower() in _HARMLESS for part in query.split("&"))
