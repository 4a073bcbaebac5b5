"""Every lab: its solution has full marks, the untouched edition none, known wrong answers are refused."""

import subprocess
import sys

import pytest

from tools.labs_source import lab_paths
from tools.nb_schema import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("chapter", [path.parts[-3] for path in lab_paths(ROOT)])
def test_lab(chapter):
    command = [sys.executable, "-m", "tools.labs", "check", chapter]  # without the strict settings of these tests
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
