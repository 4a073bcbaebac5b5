"""Train as one of several processes; the program that `test_processes.py` starts.

Usage: one_of_many.py ADDRESS INDEX COUNT DEVICES FOLDER EPOCHS [STRATEGY]
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np
from tiny import leaves_of, make_loaders, make_pair

from common import training
from common.callbacks import Checkpoint
from common.device import connect_processes
from common.losses import cross_entropy


def main():
    """Train as everybody does, then save every array of model and optimizer."""
    address, index, count, devices, folder, epochs, *strategy = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", int(devices))
    connect_processes(address, int(index), int(count))
    model, optimizer = make_pair()
    loader, check = make_loaders(int(epochs))
    callbacks = (Checkpoint(Path(folder) / "run", keep=1, resume=True),)
    settings = {"validation": check, "strategy": strategy[0] if strategy else None, "callbacks": callbacks}
    history = training.fit(model, optimizer, loader, cross_entropy, **settings)
    np.savez(Path(folder) / f"{index}.npz", *leaves_of(model, optimizer))
    print(json.dumps([jax.device_count(), history]))


if __name__ == "__main__":
    main()
