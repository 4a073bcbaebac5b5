"""Every lab: its solution has full marks, the untouched edition none, known wrong answers are refused."""

import pytest

from tools.labs_check import lab_faults
from tools.labs_source import lab_paths, read_lab
from tools.nb_schema import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("path", lab_paths(ROOT), ids=lambda path: path.parts[-3])
def test_lab(path):
    assert lab_faults(read_lab(path), ROOT) == []
