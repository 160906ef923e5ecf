"""What every test lives under: no network, one thread, no cache or hub of the person who runs it."""

from __future__ import annotations

import ast
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


def slow_tests() -> list[str]:
    """Names of the tests that are marked as slow, read from the files, as `file::test`."""
    root = Path(__file__).parent
    found = []
    for file in sorted(root.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("mark.slow" in ast.unparse(d) for d in node.decorator_list):
                found.append(f"{file.relative_to(root)}::{node.name}")
    return found


def pytest_sessionstart(session: pytest.Session) -> None:
    """Say which slow tests this run includes, before the first of them makes somebody wait."""
    config = session.config
    if hasattr(config, "workerinput") or "not slow" in (config.getoption("-m") or "") or config.args != ["tests"]:
        return
    names = slow_tests()
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    reporter.write_line(
        f"{len(names)} slow tests (over ten seconds each) are among these; -m 'not slow' leaves them out:"
    )
    for name in names:
        reporter.write_line(f"  {name}")


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
