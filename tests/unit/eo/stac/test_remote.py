"""Requests: redirects are judged, time is bounded, and what is left unanswered is left out."""

from __future__ import annotations

import time

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from timesenclip.eo.stac import remote
from timesenclip.eo.stac.addresses import Origin
from timesenclip.eo.stac.remote import answers_of_files, ask, ask_file, new_session, redirects_nowhere, within
from timesenclip.errors import InputError


def moved(to: str, status: int = 302) -> Response:
    return Response(b"", status, {"Location": to})


def test_the_address_behind_redirects_is_found(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_response(moved("/b"))
    httpserver.expect_request("/b").respond_with_response(moved(httpserver.url_for("/c?sig=1"), 307))
    content = Response(b"x", 206, {"Content-Range": "bytes 0-0/9", "ETag": '"e"'})
    httpserver.expect_request("/c").respond_with_response(content)
    found = ask_file(httpserver.url_for("/a"), Origin(httpserver.url_for("/")))
    assert found.address == httpserver.url_for("/c?sig=1")
    assert (found.status, found.version) == (206, '"e" 9')
    assert ask_file(httpserver.url_for("/c"), Origin(httpserver.url_for("/"))).address == httpserver.url_for("/c")
    assert {request.headers["Range"] for request, _ in httpserver.log} == {"bytes=0-0"}


@pytest.mark.parametrize("to", ["http://127.0.0.2/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "//10.0.0.1/x"])
def test_a_redirect_to_where_the_catalogue_may_not_is_refused(httpserver: HTTPServer, to: str) -> None:
    httpserver.expect_request("/a").respond_with_response(moved(to))
    with pytest.raises(InputError, match=r"/a redirects to .*, which is refused"):
        ask_file(httpserver.url_for("/a"), Origin(httpserver.url_for("/")))


def test_a_search_that_is_redirected_is_sent_on_as_http_says(httpserver: HTTPServer) -> None:
    for status, method in ((302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")):
        httpserver.clear()
        httpserver.expect_request("/a").respond_with_response(moved("/b", status))
        httpserver.expect_request("/b").respond_with_data("x")
        session = new_session(retries=0, wait_s=0.0)
        home = Origin(httpserver.url_for("/"))
        with ask(session, "POST", httpserver.url_for("/a"), home, timeout=(5, 5), json={"bbox": 1}) as answer:
            assert answer.status_code == 200
        last = httpserver.log[-1][0]
        assert (last.method, bool(last.data)) == (method, method == "POST")


def test_what_takes_too_long_is_left() -> None:
    assert within(5.0, lambda: 7) == 7
    with pytest.raises(TimeoutError, match=r"timed out: no complete answer within 0\.05 s"):
        within(0.05, lambda: time.sleep(1))
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 / 0)


def test_of_many_files_those_that_answer_in_time_are_known() -> None:
    def answer(address: str) -> str:
        time.sleep(10 if address == "slow" else 0)
        return address.upper()

    began = time.monotonic()
    assert answers_of_files(["a", "b", "slow", "c"], answer, threads=2, limit_s=0.5) == {"a": "A", "b": "B", "c": "C"}
    assert time.monotonic() - began < 5
    assert answers_of_files([], answer, threads=2, limit_s=0.5) == {}


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://sentinel-cogs.s3.us-west-2.amazonaws.com/a.tif", True),
        ("https://s3.amazonaws.com/bucket/a.tif", True),
        ("https://sentinel2l2a01.blob.core.windows.net/a.tif?sig=x", True),
        ("https://bucket.s3-website-us-west-2.amazonaws.com/a.tif", False),
        ("https://bucket.s3-website.us-east-2.amazonaws.com/a.tif", False),
        ("https://x.s3-object-lambda.us-west-2.amazonaws.com/a.tif", False),
        ("https://s3.us-west-2.amazonaws.com.example.org/a.tif", False),
        ("https://example.org/?.blob.core.windows.net", False),
    ],
)
def test_the_storage_that_never_redirects(address: str, expected: bool) -> None:
    assert redirects_nowhere(address) is expected


def test_no_cookie_is_kept(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/a").respond_with_data("x", headers={"Set-Cookie": "a=1"})
    session = new_session(retries=0, wait_s=0.0)
    for _ in range(2):
        ask(session, "GET", httpserver.url_for("/a"), Origin(httpserver.url_for("/")), timeout=(5, 5)).close()
    assert "Cookie" not in httpserver.log[1][0].headers
    assert remote._MOST_HOPS < 20
