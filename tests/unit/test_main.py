"""`python -m timesenclip`."""

from __future__ import annotations

import subprocess
import sys


def test_a_real_process_ends_the_same_way():
    done = subprocess.run(
        [sys.executable, "-m", "timesenclip", "taxonomies", "show", "worldcove"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: Unknown taxonomy 'worldcove'")
    assert done.stderr.count("\n") == 1
