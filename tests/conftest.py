"""What every test lives under: no network, one thread, no cache or hub of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

# Before NumPy or torch is imported: two xdist workers share two cores, and results should not depend on the count.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["MPLBACKEND"] = "Agg"
for name in [name for name in os.environ if name.startswith("TIMESENCLIP_")]:
    del os.environ[name]

import pytest
from pytest_socket import enable_socket, socket_allow_hosts

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--online", action="store_true", help="also run the tests that need the network")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--online"):
        skip = pytest.mark.skip(reason="needs the network: run with --online")
        for item in items:
            if "online" in item.keywords:
                item.add_marker(skip)


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Only this machine may be talked to; asyncio's socket pair and a local test server still work."""
    if "online" in item.keywords:
        enable_socket()
    else:
        socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real data not found at {SHARED_DATA}")
    return SHARED_DATA
