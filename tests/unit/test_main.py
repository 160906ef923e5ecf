"""`python -m timesenclip`."""

from __future__ import annotations

import subprocess
import sys

import timesenclip


def test_a_real_process_ends_the_same_way():
    done = subprocess.run(
        [sys.executable, "-m", "timesenclip", "taxonomies", "show", "worldcove"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: Unknown taxonomy 'worldcove'")
    assert done.stderr.count("\n") == 1


def test_a_real_process_answers():
    done = subprocess.run([sys.executable, "-m", "timesenclip", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"timesenclip {timesenclip.__version__}\n", "")


def test_importing_the_module_runs_nothing():
    done = subprocess.run([sys.executable, "-c", "import timesenclip.__main__"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
