"""Train with checkpoints, and die when told to: the program that `test_checkpoint.py` starts again and again.

Usage: killed_run.py FOLDER RESULT EPOCHS [EVENT]; EVENT kills the process at this file operation inside the folder.
"""

import json
import os
import signal
import sys

import jax
from flax import nnx
from tiny import ADAM, Net, leaves_of, make_loaders

from common import training
from common.averaging import AveragingOptimizer
from common.callbacks import Callback, Checkpoint, EarlyStopping
from common.losses import cross_entropy


class Announce(Callback):
    """Tell the parent process that training goes on."""

    def start(self, run):
        self.first = True

    def step(self, run):
        if self.first:
            print("training", flush=True)
            self.first = False


def die_at(event, folder):
    """Kill this process at its `event`-th file operation in the folder."""
    count = 0

    def watch(name, arguments):
        nonlocal count
        if name in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and str(arguments[0]).startswith(folder):
            count += 1
            if count == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def main():
    """Train to the end and write every bit of the result as JSON."""
    folder, result, epochs, *event = sys.argv[1:]
    if event:
        die_at(int(event[0]), folder)
    model = Net(nnx.Rngs(0), dropout=0.3)
    optimizer = AveragingOptimizer(model, ADAM, decay=0.9)
    loader, check = make_loaders(int(epochs))
    callbacks = (
        Checkpoint(folder, every=3, keep=2, best="validation_accuracy", resume=True),
        EarlyStopping("validation_loss", patience=int(epochs)),
        Announce(),
    )
    settings = {"validation": check, "key": jax.random.key(7), "callbacks": callbacks}
    history = training.fit(model, optimizer, loader, cross_entropy, **settings)
    outcome = {"history": history, "arrays": [leaf.tobytes().hex() for leaf in leaves_of(model, optimizer)]}
    with open(result, "w", encoding="utf-8") as file:
        json.dump(outcome, file)


if __name__ == "__main__":
    main()
