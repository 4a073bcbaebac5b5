"""A training run under way: its weights, its place in the data, its history."""

import operator

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from . import checkpoint
from .device import PLACEMENTS
from .metrics import add_up, means

RECORDED = ("step", "steps_per_epoch", "history", "last_finite", "uncounted")  # attributes saved as they are
REPORT = 50  # steps between two readings of the metrics, which stay on the device until then
# The same where several CPU devices share a batch: 20 steps under way at most. XLA (seen with JAX 0.10) lets 32 of them
# wait for a device; launching another blocks a thread of the very pool, about one thread a device, in which the running
# step must meet the other devices for its all-reduce: one device is left without a thread, and all wait for each other.
CPU_DEVICES_REPORT = 10


class NonFiniteLoss(FloatingPointError):
    """The loss, or a weight, became NaN or infinite.

    Attributes:
        step: number of the step, from 1.
        last_finite: the last finite loss before it; None if there was none.
    """

    def __init__(self, step, last_finite, what="loss"):
        self.step, self.last_finite = step, last_finite
        before = "no loss was finite before" if last_finite is None else f"the last finite loss was {last_finite:.6g}"
        super().__init__(
            f"not finite at step {step}: {what}; {before}. Try a lower learning rate or "
            "optax.clip_by_global_norm, and look for NaN in the data, log(0) or a division by 0 in the loss. "
            "Checkpoints of earlier steps stay as they are."
        )


class Run:
    """What `fit` works on, and what callbacks see.

    Attributes:
        model, optimizer: hold the current weights after `sync()`; `fit` calls it at the end of every epoch.
        step: number of steps done, of `steps`; `steps_per_epoch` make an epoch.
        history: `{name: list of one value an epoch}`.
        totals: `{name: (2,) float64}`, sums and counts of the epoch that is not finished yet.
        best: a state of the model that a callback wants kept, or None; checkpoints include it.
        uncounted: number of epochs at the beginning that were over before anybody looked for the best.
        stop: set it to True to end the training after this step.
    """

    def __init__(self, model, optimizer, loader, key, strategy):
        self.model, self.optimizer, self.key = model, optimizer, key
        self.steps, self.steps_per_epoch = len(loader), loader.steps_per_epoch
        self.step, self.history, self.totals, self.best, self.stop = 0, {}, {}, None, False
        self.has_members = isinstance(model, list)
        self.placement = PLACEMENTS[strategy]
        self.last_finite, self.uncounted, self._unread = None, 0, []
        is_shared_on_cpu = strategy not in ("jit", "vmap") and jax.default_backend() == "cpu"
        self._report = CPU_DEVICES_REPORT if is_shared_on_cpu else REPORT
        self.loader_identity = getattr(loader, "identity", None)
        if jax.process_count() > 1:
            loader = loader.shard(jax.process_index(), jax.process_count())
        self.batches = iter(loader)
        self.enter()

    def enter(self):
        """Take the weights out of model and optimizer as the strategy needs them; those of the model stay intact."""
        self.graphdef, state = split_members(self._pair())
        leaves, self.treedef = jax.tree.flatten(state)
        self.leaves, self._synced = self.placement.state(leaves), self.step
        self.step_key = self.key
        if self.has_members:
            self.step_key = jnp.stack([jax.random.fold_in(self.key, m) for m in range(len(self.model))])  # (M,)

    @property
    def epoch(self):
        """Number of finished epochs."""
        return self.step // self.steps_per_epoch

    @property
    def epoch_ended(self):
        """Whether the last step was the last of its epoch."""
        return self.step % self.steps_per_epoch == 0

    def next_batch(self):
        """Return the next batch of the loader, placed on the devices.

        Raises:
            ValueError: there is none although `len(loader)` promised it.
        """
        batch = next(self.batches, None)
        if batch is None:
            raise ValueError(f"the loader ended after {self.step} batches, but its len() is {self.steps}.")
        return self.placement.batch(batch)

    def record(self, metrics):
        """Count a step and keep its metrics; nothing waits for them before a report is due."""
        self.step += 1
        self._unread.append(metrics)
        if len(self._unread) == 2 * self._report:  # the older half is finished by now: reading it stops nobody
            self.read(self._report)

    def read(self, count=None):
        """Fetch the metrics of the oldest `count` unread steps (None: of all) and add them to the totals.

        Raises:
            NonFiniteLoss: one of the losses is not finite.
        """
        first = self.step - len(self._unread) + 1
        chosen, self._unread = self._unread[:count], self._unread[count:] if count else []
        for step, metrics in enumerate(jax.device_get(chosen), start=first):
            loss = metrics["loss"][0] / np.maximum(metrics["loss"][1], 1)  # scalar, or (M,) in an ensemble
            if not np.isfinite(loss).any():
                raise NonFiniteLoss(step, self.last_finite)
            self.last_finite = float(np.mean(loss[np.isfinite(loss)]))
            self.totals = add_up(self.totals, metrics)

    def finish_epoch(self, validation):
        """Read what is unread and append the epoch's means to the history.

        A resumed run may measure more or less than before; epochs without a metric get NaN, so that all lists of the
        history stay equally long.

        Args:
            validation: `{name: value}` of the validation data; may be empty.
        """
        self.read()
        results = means(self.totals) | {f"validation_{name}": value for name, value in validation.items()}
        self.totals = {}
        unknown = np.full_like(results["loss"], np.nan).tolist()
        for name in self.history | results:
            values = self.history.setdefault(name, [unknown] * (self.epoch - 1))
            values.append(results.get(name, unknown))

    def sync(self):
        """Write the current weights into model and optimizer; the next step takes these buffers away again."""
        if self._synced != self.step:
            self._write(jax.tree.unflatten(self.treedef, self.placement.back(self.leaves)))
            self._synced = self.step

    def _write(self, state):
        update_members(self._pair(), state)

    def _pair(self):
        if self.has_members:
            return list(zip(self.model, self.optimizer, strict=True))
        return self.model, self.optimizer

    def weights(self):
        """Return a copy of the model's current state; call it after `sync`."""
        return jax.device_put(split_members(self.model)[1], may_alias=False)

    def check_weights(self):
        """Raise NonFiniteLoss if a trained weight is not finite; in an ensemble, if one of every member is not."""
        self.sync()
        pairs = self._pair() if self.has_members else [self._pair()]
        if not any(_is_finite(nnx.state(model, optimizer.wrt)) for model, optimizer in pairs):
            raise NonFiniteLoss(self.step, self.last_finite, "weights")

    def save(self, folder):
        """Write a checkpoint of everything that decides how training goes on.

        Args:
            folder: of the run's checkpoints.

        Raises:
            NonFiniteLoss: a loss, or a weight, is not finite (in an ensemble: one of every member); nothing is
                written then.
            CheckpointError: it cannot be written.
        """
        self.read()
        self.check_weights()
        state = {"state": split_members(self._pair())[1]}
        if self.best is not None:
            state["best"] = self.best
        record = {name: getattr(self, name) for name in RECORDED} | {
            "totals": {name: total.tolist() for name, total in self.totals.items()},
            "position": self.batches.get_state(),
            "key": jax.random.key_data(self.key).tolist(),
            "key_impl": str(jax.random.key_impl(self.key)),
            "loader": self.loader_identity,
            "has_best": self.best is not None,
        }
        if jax.process_count() > 1:
            state = jax.device_get(state)
        checkpoint.write_checkpoint(folder, self.step, state, record)

    def _check_loader(self, path, record):
        if record["steps_per_epoch"] != self.steps_per_epoch or record["step"] > self.steps:
            raise ValueError(
                f"{path} is of another loader: {record['step']} steps done, {record['steps_per_epoch']} an epoch; "
                f"expected at most {self.steps} steps, {self.steps_per_epoch} an epoch."
            )
        saved, given = record.get("loader"), self.loader_identity
        if saved is not None and given is not None and saved != given:
            raise ValueError(f"{path} is of another loader: saved with {saved}, got {given}.")

    def restore(self, path):
        """Go on from a checkpoint that `save` wrote.

        Raises:
            ValueError: it is of another model, optimizer or loader.
            CheckpointError: it is damaged.
        """
        record = checkpoint.read_record(path)
        self._check_loader(path, record)
        template = {"state": split_members(self._pair())[1]}
        if record["has_best"]:
            template["best"] = split_members(self.model)[1]
        if jax.process_count() > 1:
            template = jax.device_get(template)
        loaded = checkpoint.load(path / "state", template)
        self._write(loaded["state"])
        for name in RECORDED:
            setattr(self, name, record.get(name, getattr(self, name)))  # an older record may lack some
        self.best = loaded.get("best")
        self.totals = {name: np.array(total) for name, total in record["totals"].items()}
        implementation = record.get("key_impl", jax.random.key_impl(self.key))
        self.key = jax.random.wrap_key_data(np.array(record["key"], np.uint32), impl=implementation)
        self.batches.set_state(record["position"])
        self.enter()


def _is_finite(state):
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(state))


def split_members(node):
    """Split a module (or tuple of modules) into structure and state; stack the states of a list of them.

    Args:
        node: what `nnx.split` takes, or a list of M such, built alike.

    Returns:
        (graphdef, state); for a list every array of the state has a new first axis, M.

    Raises:
        ValueError: the members of the list differ in structure.
    """
    if not isinstance(node, list):
        return nnx.split(node)
    graphdefs, states = zip(*map(nnx.split, node), strict=True)
    if any(graphdef != graphdefs[0] for graphdef in graphdefs):
        raise ValueError(
            "expected ensemble members built alike and sharing one optax transformation, got members that differ; "
            "make `tx` once, and different learning rates by optax.inject_hyperparams."
        )
    return graphdefs[0], jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)


def update_members(node, state):
    """Write a state into a module (or tuple), or a stacked one into a list of them; `split_members` undone."""
    if not isinstance(node, list):
        nnx.update(node, state)
        return
    for member, one in enumerate(node):
        nnx.update(one, jax.tree.map(operator.itemgetter(member), state))
