"""Which module may import which, and what importing costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "common").rglob("*.py"))


def imports_of(path):
    """Return the full names of the modules that a file imports, relative ones resolved."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def uses(path, *forbidden):
    return {name for name in imports_of(path) if any(name == f or name.startswith(f + ".") for f in forbidden)}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_direction(path):
    assert not uses(path, "IPython", "tools", "tests", "tensorflow")
    if "data" in path.parts:
        assert not uses(path, "jax", "flax", "common.models", "common.training")
    if "models" in path.parts:
        outside = {n.split(".")[0] for n in imports_of(path)} - set(sys.stdlib_module_names)
        assert outside <= {"jax", "flax", "common"} and not uses(path, "common.data", "common.training")
    if path.name == "training.py":
        assert not uses(path, "common.models", "common.data")
    if path.name == "plots.py":
        assert not uses(path, "jax", "flax")


def test_jit_vmap_and_pmap_live_in_one_module():
    for path in MODULES:
        if path.name != "training.py":
            assert not {"jax.jit", "jax.vmap", "jax.pmap", "nnx.jit"} & {
                ast.unparse(node)
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute)
            }


IMPORT = """
import json, time, warnings
warnings.simplefilter("error")
import jax, flax
import matplotlib, numpy, random
before = dict(jax.config.values), dict(matplotlib.rcParams), numpy.geterr(), random.getstate()
start = time.perf_counter()
import common
seconds = time.perf_counter() - start
import common.checkpoint, common.data, common.device, common.losses, common.metrics, common.models, common.plots
import common.training
same = before == (dict(jax.config.values), dict(matplotlib.rcParams), numpy.geterr(), random.getstate())
import sys
print(json.dumps([seconds, same, "tensorflow" in sys.modules, "tensorflow_datasets" in sys.modules]))
"""


def test_import_is_quick_silent_and_changes_nothing():
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True, cwd=ROOT)
    seconds, same, tensorflow, datasets = json.loads(done.stdout)
    assert seconds <= 0.3 and same and not tensorflow and not datasets and done.stderr == ""
