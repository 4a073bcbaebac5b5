"""Checkpoints: what they hold, what is refused, and what survives a kill, a full disk and a damaged file."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import Net, largest_difference, last_gradient_nan, leaves_of, make_arrays, make_loaders, make_pair

from common import checkpoint, training
from common.callbacks import Callback, Checkpoint, EarlyStopping
from common.data import train_loader
from common.losses import cross_entropy
from common.models import MLP
from common.run import NonFiniteLoss
from common.weights import export_weights, import_weights

TESTS = Path(__file__).parent
KILLS = 20
EPOCHS = "24"  # of the run that is killed: long enough not to end before the last kill


def environment():
    """Return the variables with which a program finds `common` and the modules of the tests."""
    return os.environ | {"PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", "JAX_PLATFORMS": "cpu"}


def train(folder, *, epochs=2, resume=False, strategy=None, callbacks=(), dropout=0.0, **settings):
    """Return (history, arrays) of a run of 5 steps an epoch with checkpoints."""
    model, optimizer = make_pair(dropout=dropout)
    loader, check = make_loaders(epochs)
    callbacks = (*callbacks, Checkpoint(folder, resume=resume, **settings))
    settings = {"validation": check, "strategy": strategy, "callbacks": callbacks}
    history = training.fit(model, optimizer, loader, cross_entropy, **settings)
    return history, leaves_of(model, optimizer)


def names(folder):
    return [path.name for path in checkpoint.list_checkpoints(folder)]


class StopAt(Callback):
    """Interrupt a run as Ctrl-C would."""

    def __init__(self, step):
        self.at = step

    def step(self, run):
        if run.step == self.at:
            raise KeyboardInterrupt


def run_until_killed(arguments, delay):
    """Run the program; kill it `delay` seconds after its first step (None: it does so itself); return its status."""
    command = [sys.executable, "-W", "error", str(TESTS / "killed_run.py"), *arguments]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        if delay is not None and program.stdout.readline():
            threading.Timer(delay, program.kill).start()
        _, errors = program.communicate(timeout=120)
    assert program.returncode in (0, -signal.SIGKILL), errors.decode()
    return program.returncode


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_gives_the_same_bits(tmp_path):
    whole, broken = str(tmp_path / "whole"), str(tmp_path / "broken")
    assert run_until_killed([whole, f"{whole}.json", EPOCHS], None) == 0
    rng, half_written, kills = random.Random(2026), 0, 0
    while kills < KILLS:
        # Odd kills fall anywhere in time, even ones on a file operation, that is while a checkpoint is written.
        if kills % 2:
            status = run_until_killed([broken, f"{broken}.json", EPOCHS], rng.uniform(0, 0.3))
        else:
            status = run_until_killed([broken, f"{broken}.json", EPOCHS, str(rng.randint(20, 300))], None)
        kills += status != 0
        half_written += any(Path(broken).glob("*.tmp"))
        assert status != 0, f"finished after only {kills} kills; give the run more epochs"
    assert half_written > 0
    assert run_until_killed([broken, f"{broken}.json", EPOCHS], None) == 0
    assert not any(Path(broken).glob("*.tmp"))
    one, other = (json.loads(Path(f"{path}.json").read_text(encoding="utf-8")) for path in (whole, broken))
    assert one == other and len(one["history"]["loss"]) == int(EPOCHS)


@pytest.mark.slow
def test_same_seed_in_two_processes_gives_the_same_bits(tmp_path):
    results = []
    for name in ("one", "two"):
        assert run_until_killed([str(tmp_path / name), str(tmp_path / f"{name}.json"), "3"], None) == 0
        results.append((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert results[0] == results[1]


@pytest.mark.parametrize("strategy", ["jit", "pmap", "sharding"])
def test_resumed_in_the_middle_of_an_epoch(tmp_path, strategy):
    whole = train(tmp_path / "whole", epochs=3, strategy=strategy, dropout=0.3)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "half", epochs=3, strategy=strategy, dropout=0.3, every=1, callbacks=[StopAt(8)])
    assert names(tmp_path / "half")[-1] == "step_00000007"
    resumed = train(tmp_path / "half", epochs=3, strategy=strategy, dropout=0.3, resume=True)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0


def test_checkpoint_of_one_strategy_resumes_under_another(tmp_path):
    whole = train(tmp_path / "whole", epochs=3)
    train(tmp_path / "part", epochs=2)
    resumed = train(tmp_path / "part", epochs=3, strategy="sharding", resume=True)
    assert largest_difference(resumed[1], whole[1]) <= 1e-6


def test_ensemble_resumes(tmp_path):
    def run(folder, epochs, **settings):
        models, optimizers = map(list, zip(*(make_pair(seed, dropout=0.3) for seed in range(2)), strict=True))
        loader, _ = make_loaders(epochs)
        callbacks = (Checkpoint(tmp_path / folder, **settings),)
        history = training.fit(models, optimizers, loader, cross_entropy, callbacks=callbacks)
        return history, leaves_of(*models, *optimizers)

    whole = run("whole", 3)
    run("part", 1)
    resumed = run("part", 3, resume=True)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0


def test_early_stopping_resumes_with_its_best_weights(tmp_path):
    settings = {"epochs": 30, "callbacks": [EarlyStopping("validation_accuracy", patience=2)], "dropout": 0.3}
    whole = train(tmp_path / "whole", **settings)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "half", **settings | {"callbacks": [*settings["callbacks"], StopAt(11)]})
    for _ in range(2):  # the second time there is nothing left to train, and the outcome is the same
        resumed = train(tmp_path / "half", resume=True, **settings)
        assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0
    assert len(whole[0]["loss"]) < 30


def test_latest_and_best_are_kept(tmp_path):
    history, _ = train(tmp_path, epochs=6, keep=2, best="loss")
    best = int(np.argmin(history["loss"])) + 1
    assert names(tmp_path) == sorted({"step_00000025", "step_00000030", f"step_{5 * best:08d}"})
    settings = {"epochs": 6, "keep": 1, "callbacks": [Scripted()]}
    train(tmp_path / "early", best="validation_loss", **settings)
    assert names(tmp_path / "early") == ["step_00000005", "step_00000030"]


def test_a_used_folder_is_not_overwritten(tmp_path):
    train(tmp_path)
    with pytest.raises(ValueError, match=r"holds checkpoints already.*step_00000010.*resume=True"):
        train(tmp_path)
    assert names(tmp_path) == ["step_00000005", "step_00000010"]


def test_resume_from_a_chosen_step(tmp_path):
    whole = train(tmp_path, epochs=3)
    resumed = train(tmp_path, epochs=3, resume=5)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0
    with pytest.raises(ValueError, match="no checkpoint of step 6"):
        train(tmp_path, epochs=3, resume=6)


def test_later_checkpoints_of_an_abandoned_branch_are_set_aside(tmp_path):
    train(tmp_path, epochs=3)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, epochs=3, resume=5, every=1, callbacks=[StopAt(8)])
    assert names(tmp_path) == ["step_00000005", "step_00000006", "step_00000007"]
    assert sorted(path.name for path in tmp_path.glob("*.abandoned")) == [
        "step_00000010.abandoned",
        "step_00000015.abandoned",
    ]

    class First(Callback):
        def step(self, run):
            first.append(run.step)

    first = []
    train(tmp_path, epochs=3, resume=True, callbacks=[First()])
    assert first[0] == 8


def test_key_comes_from_the_checkpoint(tmp_path):
    def run(folder, epochs, seed, **settings):
        model, optimizer = make_pair(dropout=0.3)
        settings = {"key": jax.random.key(seed), "callbacks": [Checkpoint(tmp_path / folder, **settings)]}
        training.fit(model, optimizer, make_loaders(epochs)[0], cross_entropy, **settings)
        return leaves_of(model, optimizer)

    whole = run("whole", 3, seed=1)
    run("part", 1, seed=1)
    assert largest_difference(run("part", 3, seed=2, resume=True), whole) == 0
    assert largest_difference(run("other", 3, seed=2), whole) > 1e-3


def test_key_of_another_implementation_comes_back(tmp_path):
    def run(folder, epochs, key=None):
        model, optimizer = make_pair(dropout=0.3)
        callbacks = [Checkpoint(tmp_path / folder, resume=True)]
        training.fit(model, optimizer, make_loaders(epochs)[0], cross_entropy, key=key, callbacks=callbacks)
        return leaves_of(model, optimizer)

    key = jax.random.key(7, impl="rbg")
    whole = run("whole", 3, key)
    run("part", 1, key)
    assert largest_difference(run("part", 3), whole) == 0


def test_record_of_an_earlier_version_is_read(tmp_path):
    whole = train(tmp_path / "whole", epochs=3)
    train(tmp_path / "part", epochs=2)
    latest = tmp_path / "part" / "step_00000010"
    record = checkpoint.read_record(latest)
    for name in ("key_impl", "loader", "uncounted"):
        del record[name]
    (latest / "record.json").write_text(json.dumps(record), encoding="utf-8")
    (latest / "digests.json").write_text(json.dumps(checkpoint._digests(latest)), encoding="utf-8")
    resumed = train(tmp_path / "part", epochs=3, resume=True)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0


def test_checkpoint_holds_what_the_other_callbacks_did(tmp_path):
    class Mark(Callback):
        def step(self, run):
            run.last_finite = 42.0

    model, optimizer = make_pair()
    callbacks = [Checkpoint(tmp_path), Mark()]
    training.fit(model, optimizer, make_loaders(1)[0], cross_entropy, callbacks=callbacks)
    record = checkpoint.read_record(checkpoint.list_checkpoints(tmp_path)[-1])
    assert record["last_finite"] == 42.0


def test_last_finite_loss_is_known_after_a_restart(tmp_path):
    train(tmp_path, epochs=1)
    model, optimizer = make_pair()

    def broken(model, batch, rngs):
        value, metrics = cross_entropy(model, batch, rngs)
        return value, metrics | {"loss": (metrics["loss"][0] * np.nan, metrics["loss"][1])}

    with pytest.raises(NonFiniteLoss, match="step 6: loss; the last finite loss was"):
        callbacks = [Checkpoint(tmp_path, resume=True)]
        training.fit(model, optimizer, make_loaders(2)[0], broken, callbacks=callbacks)


def resume_with(folder, epochs, *callbacks, measures=True):
    """Train on and return (history, model)."""
    model, optimizer = make_pair()
    loader, check = make_loaders(epochs)
    settings = {"validation": check if measures else None, "callbacks": [*callbacks, Checkpoint(folder, resume=True)]}
    return training.fit(model, optimizer, loader, cross_entropy, **settings), model


def test_validation_added_or_dropped_on_the_way_leaves_nan(tmp_path):
    resume_with(tmp_path, 2, measures=False)
    resume_with(tmp_path, 3)
    history, _ = resume_with(tmp_path, 4, measures=False)
    assert np.isfinite(history["loss"]).all() and len(history["loss"]) == 4
    assert np.isfinite(history["validation_loss"]).tolist() == [False, False, True, False]


class Scripted(Callback):
    """Replace the validation loss: it gets worse with every epoch."""

    def step(self, run):
        if run.epoch_ended:
            run.history["validation_loss"][-1] = float(run.epoch)


def test_early_stopping_added_on_the_way_counts_from_there(tmp_path):
    resume_with(tmp_path, 3, Scripted())
    history, model = resume_with(tmp_path, 20, Scripted(), EarlyStopping(patience=2))
    assert len(history["loss"]) == 6  # the fourth epoch is the best of those it has seen
    kept = checkpoint.load(
        tmp_path / "step_00000020" / "state", {"state": nnx.state(make_pair())} | {"best": nnx.state(make_pair()[0])}
    )
    assert largest_difference(leaves_of(model), [np.asarray(leaf) for leaf in jax.tree.leaves(kept["best"])]) == 0


def test_early_stopping_added_on_the_way_survives_an_interruption(tmp_path):
    for folder in ("whole", "half"):
        resume_with(tmp_path / folder, 3, Scripted())
    history, model = resume_with(tmp_path / "whole", 20, Scripted(), EarlyStopping(patience=2))
    with pytest.raises(KeyboardInterrupt):
        resume_with(tmp_path / "half", 20, Scripted(), EarlyStopping(patience=2), StopAt(26))
    for _ in range(2):  # the second time there is nothing left to train
        again, resumed = resume_with(tmp_path / "half", 20, Scripted(), EarlyStopping(patience=2))
        assert again == history and largest_difference(leaves_of(resumed), leaves_of(model)) == 0


def test_more_patience_trains_a_stopped_run_on(tmp_path):
    history, _ = resume_with(tmp_path, 20, Scripted(), EarlyStopping(patience=2))
    assert len(history["loss"]) == 3
    again, _ = resume_with(tmp_path, 20, Scripted(), EarlyStopping(patience=2))
    assert again == history
    longer, _ = resume_with(tmp_path, 20, Scripted(), EarlyStopping(patience=4))
    assert len(longer["loss"]) == 5


def test_loader_without_a_place_is_refused_before_training(tmp_path):
    loader = make_loaders()[0]

    class Plain:
        steps_per_epoch = loader.steps_per_epoch

        def __len__(self):
            return len(loader)

        def __iter__(self):
            return (batch for batch in loader)

    with pytest.raises(ValueError, match=r"get_state and set_state.*got generator"):
        training.fit(*make_pair(), Plain(), cross_entropy, callbacks=[Checkpoint(tmp_path)])


def test_record_that_json_cannot_hold(tmp_path):
    with pytest.raises(TypeError, match="JSON serializable"):
        checkpoint.write_checkpoint(tmp_path, 1, {"x": np.zeros(1)}, {"history": object()})
    assert not any(tmp_path.iterdir())


def test_another_model_optimizer_or_loader_is_refused(tmp_path):
    train(tmp_path)
    loader = make_loaders()[0]
    wide = MLP(4, (9,), 3, rngs=nnx.Rngs(0))
    plain = Net(nnx.Rngs(0))
    cases = [
        (wide, optax.adam(1e-2), loader, r"another model: .*0/inner/kernel/value has shape \(4, 8\), expected None"),
        (plain, optax.sgd(1e-2), loader, r"another model: .*opt_state.* has shape \(\), expected None"),
        (plain, optax.adam(1e-2), make_loaders(batch_size=16)[0], r"another loader: 10 steps done, 5 an epoch"),
        (plain, optax.adam(1e-2), make_loaders(epochs=1)[0], r"another loader: 10 steps done.*at most 5 steps"),
    ]
    for model, tx, loader, message in cases:
        optimizer = nnx.Optimizer(model, tx, wrt=nnx.Param)
        before = leaves_of(model)
        with pytest.raises(ValueError, match=message):
            training.fit(model, optimizer, loader, cross_entropy, callbacks=[Checkpoint(tmp_path, resume=True)])
        assert largest_difference(before, leaves_of(model)) == 0


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ((make_arrays(80), 16), "'count': 80, 'batch_size': 16, 'seed': 0"),
        ((make_arrays(163), 32), "'count': 163, 'batch_size': 32, 'seed': 0"),
        ((make_arrays(), 32, 3), "'count': 160, 'batch_size': 32, 'seed': 3"),
    ],
)
def test_another_loader_of_as_many_steps_is_refused(tmp_path, arguments, given):
    train(tmp_path)
    arrays, batch_size, *seed = arguments
    loader = train_loader(arrays, batch_size, seed=sum(seed), epochs=3)
    saved = "'count': 160, 'batch_size': 32, 'seed': 0"
    with pytest.raises(ValueError, match=f"another loader: saved with {{{saved}}}, got {{{given}}}"):
        training.fit(*make_pair(), loader, cross_entropy, callbacks=[Checkpoint(tmp_path, resume=True)])


@pytest.mark.parametrize("how", ["truncate", "remove", "flip"])
def test_a_damaged_checkpoint_is_refused_and_the_newest_intact_one_named(tmp_path, how):
    whole = train(tmp_path, epochs=3)
    latest = tmp_path / "step_00000015"
    victim = max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    if how == "truncate":
        os.truncate(victim, victim.stat().st_size // 2)
    elif how == "remove":
        victim.unlink()
    else:
        content = bytearray(victim.read_bytes())
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    message = rf"step_00000015 is damaged: .*{victim.name}.*newest intact one is step_00000010"
    with pytest.raises(checkpoint.CheckpointError, match=message):
        train(tmp_path, epochs=3, resume=True)
    resumed = train(tmp_path, epochs=3, resume=10)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0


def without_entry(text, name):
    return json.dumps({key: value for key, value in json.loads(text).items() if name not in key})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "{}", "digests.json does not list record.json"),
        (lambda text: "[]", "digests.json does not list the files"),
        (lambda text: "null", "digests.json does not list the files"),
        (lambda text: without_entry(text, "_METADATA"), "digests.json does not list state/.*_METADATA"),
        (lambda text: without_entry(text, "record"), "digests.json does not list record.json"),
    ],
    ids=["empty", "list", "null", "a file fewer", "no record"],
)
def test_a_list_of_files_that_lacks_some_is_damage(tmp_path, change, message):
    train(tmp_path)
    latest = tmp_path / "step_00000010"
    (latest / ".DS_Store").write_bytes(b"left by a file manager")
    checkpoint.read_record(latest)
    digests = latest / "digests.json"
    digests.write_text(change(digests.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(checkpoint.CheckpointError, match=f"step_00000010 is damaged: {message}"):
        checkpoint.read_record(latest)


@pytest.mark.parametrize("lost", ["state", "record.json"])
def test_a_list_of_files_without_state_or_record_is_damage(tmp_path, lost):
    train(tmp_path)
    latest = tmp_path / "step_00000010"
    (latest / lost).rename(tmp_path / "elsewhere")
    (latest / "digests.json").write_text(json.dumps(checkpoint._digests(latest)), encoding="utf-8")
    with pytest.raises(checkpoint.CheckpointError, match=f"is damaged: {lost}/? is missing"):
        checkpoint.read_record(latest)


DIE_AT_RENAME = """
import os, sys
import numpy as np
from common import checkpoint

folder, moment = sys.argv[1:]
rename = os.replace

def rename_and_die(source, target):
    if not str(target).endswith("step_00000001"):
        return rename(source, target)
    if moment == "after":
        rename(source, target)
    os._exit(9)

os.replace = rename_and_die
checkpoint.write_checkpoint(folder, 1, {"x": np.arange(3)}, {"step": 1})
"""


@pytest.mark.parametrize(("moment", "expected"), [("before", []), ("after", ["step_00000001"])])
def test_killed_at_the_rename_leaves_an_intact_checkpoint_or_none(tmp_path, moment, expected):
    command = [sys.executable, "-c", DIE_AT_RENAME, str(tmp_path), moment]
    assert subprocess.run(command, env=environment()).returncode == 9
    assert names(tmp_path) == expected
    for path in checkpoint.list_checkpoints(tmp_path):
        assert checkpoint.read_record(path) == {"step": 1}
        assert checkpoint.load(path / "state", {"x": np.zeros(3, int)})["x"].tolist() == [0, 1, 2]


FULL_DISK = """
import resource, signal, sys
from common import training
from common.callbacks import Callback, Checkpoint
from common.checkpoint import CheckpointError
from common.losses import cross_entropy
from tiny import leaves_of, make_loaders, make_pair

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

class FillDisk(Callback):
    def step(self, run):
        if run.step == 8:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # bytes in a file: writing fails as on a full disk

model, optimizer = make_pair()
loader, check = make_loaders(3)
callbacks = [FillDisk(), Checkpoint(sys.argv[1])]
try:
    training.fit(model, optimizer, loader, cross_entropy, validation=check, callbacks=callbacks)
except CheckpointError as error:
    assert int(optimizer.step[...]) == 10 and leaves_of(model)
    print("stopped:", error)
"""


def test_full_disk_stops_with_a_clear_error_and_loses_nothing(tmp_path):
    whole = train(tmp_path / "whole", epochs=3)
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "full")]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert "stopped: cannot write" in done.stdout and "train on with resume=True" in done.stdout
    assert names(tmp_path / "full") == ["step_00000005"]
    resumed = train(tmp_path / "full", epochs=3, resume=True)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0


def test_folder_that_cannot_be_written_is_told_before_training(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    read_only = Path("/proc/dl-jax101") if Path("/proc").exists() else tmp_path / "file" / "below"
    for folder in (tmp_path / "file", read_only):
        with pytest.raises(checkpoint.CheckpointError, match=r"cannot write in .*choose another folder"):
            train(folder)


def test_folder_that_becomes_read_only_keeps_the_earlier_checkpoints(tmp_path, monkeypatch):
    whole = train(tmp_path / "whole", epochs=3)

    def refuse(*arguments, **settings):
        raise PermissionError(30, "Read-only file system")

    class TakeAway(Callback):
        def step(self, run):
            if run.step == 6:
                monkeypatch.setattr(Path, "mkdir", refuse)

    with pytest.raises(checkpoint.CheckpointError, match=r"Read-only file system.*checkpoints before it are intact"):
        train(tmp_path / "taken", epochs=3, callbacks=[TakeAway()])
    monkeypatch.undo()
    resumed = train(tmp_path / "taken", epochs=3, resume=True)
    assert resumed[0] == whole[0] and largest_difference(resumed[1], whole[1]) == 0


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    model, optimizer = make_pair(tx=optax.sgd(1e38))
    with pytest.raises(NonFiniteLoss) as caught:
        callbacks = [Checkpoint(tmp_path, every=1, keep=1)]
        training.fit(model, optimizer, make_loaders()[0], cross_entropy, callbacks=callbacks)
    assert caught.value.step <= 3
    for path in checkpoint.list_checkpoints(tmp_path):
        fresh = make_pair(tx=optax.sgd(1e38))
        state = checkpoint.load(path / "state", {"state": nnx.state(fresh)})["state"]
        assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(state))


class Own(nnx.Variable):
    """Weights of a kind of their own."""


class Plain(nnx.Module):
    """A matrix: (B, 4) -> (B, 3)."""

    def __init__(self, kind):
        self.kernel = kind(jnp.ones((4, 3)))

    def __call__(self, x, rngs=None):
        return x @ self.kernel[...]


@pytest.mark.parametrize("kind", [nnx.Param, Own])
def test_weights_that_are_not_finite_are_not_saved_although_the_loss_is(tmp_path, kind):
    model = Plain(kind)
    loss, loader = last_gradient_nan()
    with pytest.raises(NonFiniteLoss, match="not finite at step 5: weights; the last finite loss was"):
        optimizer = nnx.Optimizer(model, optax.sgd(0.1), wrt=kind)
        training.fit(model, optimizer, loader, loss, callbacks=[Checkpoint(tmp_path)])
    assert np.isnan(model.kernel[...]).any() and not any(tmp_path.iterdir())


def test_ensemble_is_saved_while_one_member_is_finite(tmp_path):
    def run(broken):
        models, optimizers = map(list, zip(*(make_pair(seed) for seed in range(2)), strict=True))
        for model in models[:broken]:
            model.outer.bias[...] = model.outer.bias[...] * np.nan
        loader, folder = make_loaders(1)[0], tmp_path / str(broken)
        training.fit(models, optimizers, loader, cross_entropy, callbacks=[Checkpoint(folder)])

    run(1)
    with pytest.raises(NonFiniteLoss):
        run(2)
    assert [names(tmp_path / str(broken)) for broken in (1, 2)] == [["step_00000005"], []]


class OwnStream(Net):
    """The same network, with dropout that draws from a random stream of its own."""

    def __init__(self, rngs):
        super().__init__(rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)

    def __call__(self, x, rngs=None):
        return super().__call__(x)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["jit", "pmap", "shard_map", "sharding"])
def test_model_with_its_own_random_stream_trains_and_resumes(tmp_path, strategy):
    def run(folder, epochs, **settings):
        model = OwnStream(nnx.Rngs(0))
        optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
        callbacks = [Checkpoint(tmp_path / folder, **settings)]
        training.fit(model, optimizer, make_loaders(epochs)[0], cross_entropy, strategy=strategy, callbacks=callbacks)
        return leaves_of(model, optimizer)

    whole = run("whole", 3)
    run("part", 2)
    assert largest_difference(run("part", 3, resume=True), whole) == 0


def test_random_streams_are_not_exported(tmp_path):
    model, other = OwnStream(nnx.Rngs(0)), OwnStream(nnx.Rngs(1))
    export_weights(tmp_path / "own.safetensors", model)
    import_weights(tmp_path / "own.safetensors", other)
    assert largest_difference(leaves_of(model.outer), leaves_of(other.outer)) == 0
    assert largest_difference(leaves_of(model.dropout), leaves_of(other.dropout)) > 0


def test_exported_weights_come_back_with_their_statistics(tmp_path):
    model, other = Net(nnx.Rngs(0)), Net(nnx.Rngs(1))
    model.norm.mean[...] = model.norm.mean[...] + 0.5
    export_weights(tmp_path / "net.safetensors", model, {"accuracy": "0.9"})
    assert import_weights(tmp_path / "net.safetensors", other) == {"accuracy": "0.9"}
    assert largest_difference(leaves_of(model), leaves_of(other)) == 0
    export_weights(tmp_path / "net.safetensors", model)  # written again without leftovers
    assert import_weights(tmp_path / "net.safetensors", other) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_exported_weights_in_half_precision_take_half_the_space_and_come_back_in_float32(tmp_path):
    model, other = MLP(40, (50,), 3, rngs=nnx.Rngs(0)), MLP(40, (50,), 3, rngs=nnx.Rngs(1))
    paths = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    export_weights(paths[0], model)
    export_weights(paths[1], model, dtype=np.float16)
    assert paths[1].stat().st_size < 0.6 * paths[0].stat().st_size
    import_weights(paths[1], other)
    for one, two in zip(leaves_of(model), leaves_of(other), strict=True):
        assert two.dtype == np.float32
        np.testing.assert_allclose(two, one, rtol=1e-3, atol=1e-6)


def test_exported_weights_of_a_bfloat16_model_take_the_asked_type(tmp_path):
    from safetensors.numpy import load_file

    export_weights(
        tmp_path / "net.safetensors", nnx.Linear(3, 2, param_dtype=jnp.bfloat16, rngs=nnx.Rngs(0)), dtype=np.float16
    )
    assert {array.dtype for array in load_file(tmp_path / "net.safetensors").values()} == {np.dtype(np.float16)}


def test_exported_weights_are_read_by_the_library_under_plain_names(tmp_path):
    from safetensors.numpy import load_file

    model = Net(nnx.Rngs(0))
    export_weights(tmp_path / "net.safetensors", model)
    arrays = load_file(tmp_path / "net.safetensors")
    assert set(arrays) == {
        "inner.kernel",
        "outer.bias",
        "outer.kernel",
        "norm.bias",
        "norm.mean",
        "norm.scale",
        "norm.var",
    }
    np.testing.assert_array_equal(arrays["inner.kernel"], model.inner.kernel[...])


def test_unfit_weights_are_refused_and_change_nothing(tmp_path):
    path = tmp_path / "net.safetensors"
    export_weights(path, Net(nnx.Rngs(0)))
    wide = MLP(4, (9,), 3, rngs=nnx.Rngs(0))
    before = leaves_of(wide)
    with pytest.raises(ValueError, match=r"another model: inner\.kernel has shape \(4, 8\), expected None"):
        import_weights(path, wide)
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"is damaged or not a safetensors file"):
        import_weights(path, Net(nnx.Rngs(0)))
    with pytest.raises(FileNotFoundError):
        import_weights(tmp_path / "none", wide)
    assert largest_difference(before, leaves_of(wide)) == 0


@pytest.mark.parametrize("settings", [{"keep": 0}, {"every": 0}])
def test_bad_settings_of_checkpoints(tmp_path, settings):
    with pytest.raises(ValueError, match="must be at least 1"):
        Checkpoint(tmp_path, **settings)
