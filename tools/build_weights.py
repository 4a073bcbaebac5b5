"""Train the networks of `common/pretrained` and write their files.

    python -m tools.build_weights                        # all
    python -m tools.build_weights mnist_classifier       # one

Validation data decide nothing but are reported; the test set is opened once, at the end. A file records the SHA-256
of the code that made it, and a test fails when that code has changed since: run the command again then.
"""

import argparse
import hashlib
import inspect
import sys
import time
from importlib.metadata import version

import numpy as np
from flax import nnx

from common.pretrained import MODELS, weights_path
from common.weights import export_weights
from tools.recipes import RECIPES


def code_digest(name):
    """Return the SHA-256 of the code that makes a network: its recipe, the training function, loss and model."""
    return hashlib.sha256("".join(map(inspect.getsource, RECIPES[name])).encode()).hexdigest()


def build(name):
    """Train a network, write its file and print what the file says."""
    model = MODELS[name](nnx.Rngs(0))
    start = time.perf_counter()
    facts = RECIPES[name][0](model)
    facts |= {
        "seconds": f"{time.perf_counter() - start:.0f}",
        "command": f"python -m tools.build_weights {name}",
        "code_sha256": code_digest(name),
        "versions": ", ".join(f"{package} {version(package)}" for package in ("jax", "flax", "optax", "numpy")),
    }
    is_classifier = "test_accuracy" in facts
    export_weights(weights_path(name), model, facts, dtype=None if is_classifier else np.float16)  # to stay below 1 MB
    print(name, facts)


def main(arguments=None):
    """Build the named networks, all if none is named."""
    parser = argparse.ArgumentParser(prog="python -m tools.build_weights", description="Latih jaringan siap pakai.")
    parser.add_argument("names", nargs="*", metavar="NAMA", help=f"bawaan: semua, {', '.join(RECIPES)}")
    names = parser.parse_args(arguments).names or list(RECIPES)
    if unknown := [name for name in names if name not in RECIPES]:
        parser.error(f"jaringan tidak dikenal: {', '.join(unknown)}; pilih dari {', '.join(RECIPES)}")
    for name in names:
        build(name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
