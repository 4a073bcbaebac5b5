"""Several processes on the loopback address train one model as one process does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import largest_difference, leaves_of, make_loaders, make_pair

from common import checkpoint, training
from common.device import connect_processes
from common.losses import cross_entropy

TESTS = Path(__file__).parent
LONG_EPOCH = {"batch_size": 8, "count": 8 * 150}  # far more steps than XLA lets run ahead


def outcomes_of(count, *arguments, timeout=120, program=(TESTS / "one_of_many.py",)):
    """Run a program, `one_of_many.py`, in `count` processes; return (status, output, errors) of each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    variables = os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "JAX_PLATFORMS": "cpu"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    programs = []
    for index in range(count):
        command = [sys.executable, *program, *map(str, (address, index, count, *arguments))]
        programs.append(subprocess.Popen(command, env=variables, **pipes))
    try:
        outputs = [program.communicate(timeout=timeout) for program in programs]
    finally:
        for program in programs:
            program.kill()
        for program in programs:
            program.communicate()  # an open pipe would be a warning in some later test
    return [(program.returncode, *output) for program, output in zip(programs, outputs, strict=True)]


def run_processes(count, devices, folder, epochs, *strategy):
    """Train in `count` processes; return the last line that each printed, read as JSON."""
    outcomes = outcomes_of(count, devices, folder, epochs, *strategy)
    for status, _, errors in outcomes:
        assert status == 0, errors
    return [json.loads(output.splitlines()[-1]) for _, output, _ in outcomes]


@pytest.fixture(scope="module")
def alone():
    """Train in this process, on one device; return (history, arrays)."""
    model, optimizer = make_pair()
    loader, check = make_loaders(epochs=4)
    history = training.fit(model, optimizer, loader, cross_entropy, validation=check, callbacks=())
    return history, leaves_of(model, optimizer)


def compare(outcomes, folder, alone):
    for index, (_, history) in enumerate(outcomes):
        with np.load(folder / f"{index}.npz") as arrays:
            assert largest_difference(list(arrays.values()), alone[1]) <= 1e-6
        for name, values in alone[0].items():
            np.testing.assert_allclose(history[name], values, atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("devices", "strategy"), [(1, ()), (4, ()), (4, ("shard_map",))])
def test_two_processes_give_the_numbers_of_one(tmp_path, devices, strategy, alone):
    outcomes = run_processes(2, devices, tmp_path, 4, *strategy)
    assert [count for count, _ in outcomes] == [2 * devices] * 2
    compare(outcomes, tmp_path, alone)
    assert [path.name for path in checkpoint.list_checkpoints(tmp_path / "run")] == ["step_00000020"]


@pytest.mark.slow
def test_two_processes_resume_together(tmp_path, alone):
    run_processes(2, 1, tmp_path, 2)
    compare(run_processes(2, 1, tmp_path, 4), tmp_path, alone)


@pytest.mark.slow
def test_processes_do_not_run_ahead_until_they_hang(tmp_path):
    change = f"program.make_loaders = lambda epochs: tiny.make_loaders(epochs, **{LONG_EPOCH})"
    program = ("-c", f"import one_of_many as program, tiny; {change}; program.main()")
    outcomes = outcomes_of(2, 4, tmp_path, 1, timeout=45, program=program)
    assert [status for status, *_ in outcomes] == [0, 0], outcomes
    model, optimizer = make_pair()
    loader, check = make_loaders(1, **LONG_EPOCH)
    expected = training.fit(model, optimizer, loader, cross_entropy, validation=check, callbacks=())
    for _, output, _ in outcomes:
        assert json.loads(output.splitlines()[-1])[1]["loss"] == pytest.approx(expected["loss"], abs=1e-4)


def test_pmap_is_refused_for_several_processes(tmp_path):
    with pytest.raises(AssertionError, match='2 processes train together by "sharding" or "shard_map", got \'pmap\''):
        run_processes(2, 1, tmp_path, 1, "pmap")


def test_folder_that_the_first_process_cannot_write_stops_all(tmp_path):
    (tmp_path / "run").write_text("not a folder")
    for status, _, errors in outcomes_of(2, 1, tmp_path, 1, timeout=60):
        assert status == 1 and "CheckpointError: cannot write in" in errors


@pytest.mark.parametrize("index", [-1, 2])
def test_process_number_out_of_range(index):
    with pytest.raises(ValueError, match=r"index must lie in \[0, 2\)"):
        connect_processes("127.0.0.1:1", index, 2)
