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

import optax
from flax import nnx

from common.data import evaluation_loader, load_dataset, split_validation, train_loader
from common.data.augment import RandomFlip, RandomShift
from common.losses import cross_entropy
from common.models import convnet
from common.pretrained import MODELS, weights_path
from common.training import evaluate, fit
from common.weights import export_weights

PARTS = (convnet.ConvNorm, convnet.ResidualBlock, convnet.ResNetConfig, convnet.ResNet)


def classify_digits(model):
    """Train on `mnist`: 20 epochs, shifted by up to two pixels."""
    return train_classifier(model, "mnist", epochs=20, transforms=(RandomShift(2),))


def classify_fashion(model):
    """Train on `fashion_mnist`: 40 epochs, shifted by up to one pixel and mirrored."""
    return train_classifier(model, "fashion_mnist", epochs=40, transforms=(RandomShift(1), RandomFlip()))


RECIPES = {"mnist_classifier": classify_digits, "fashion_mnist_classifier": classify_fashion}


def train_classifier(model, dataset_name, *, epochs, transforms, batch_size=64):
    """Train a classifier with AdamW and one cosine.

    Args:
        model: `nnx.Module`, trained in place.
        dataset_name: as in `load_dataset`.
        epochs: passes over the training set.
        transforms: Grain transforms of a training batch.
        batch_size: images in a step.

    Returns:
        `{name: str}`, what the file is to say of data, licence and accuracy.
    """
    data = load_dataset(dataset_name)
    train, validation = split_validation(data.train, 0.1)
    steps = len(train["y"]) // batch_size * epochs
    schedule = optax.warmup_cosine_decay_schedule(0, 3e-3, steps // 10, steps)
    optimizer = nnx.Optimizer(model, optax.adamw(schedule, weight_decay=1e-2), wrt=nnx.Param)
    fit(model, optimizer, train_loader(train, batch_size, epochs=epochs, transforms=transforms), cross_entropy)
    accuracy = {
        f"{part}_accuracy": f"{evaluate(model, evaluation_loader(arrays, batch_size), cross_entropy)['accuracy']:.4f}"
        for part, arrays in (("validation", validation), ("test", data.test))
    }
    return accuracy | {"data": dataset_name, "licence": data.licence}


def code_digest(name):
    """Return the SHA-256 of the code that makes a network: its recipe, the training function and the model."""
    return hashlib.sha256("".join(map(inspect.getsource, _parts(name))).encode()).hexdigest()


def _parts(name):
    return (RECIPES[name], train_classifier, *PARTS)


def build(name):
    """Train a network, write its file and print what the file says."""
    model = MODELS[name](nnx.Rngs(0))
    start = time.perf_counter()
    facts = RECIPES[name](model)
    facts |= {
        "seconds": f"{time.perf_counter() - start:.0f}",
        "command": f"python -m tools.build_weights {name}",
        "code_sha256": code_digest(name),
        "versions": ", ".join(f"{package} {version(package)}" for package in ("jax", "flax", "optax", "numpy")),
    }
    export_weights(weights_path(name), model, facts)
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
