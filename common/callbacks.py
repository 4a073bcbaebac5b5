"""What `fit` does besides training: progress, checkpoints, early stopping, pictures."""

import sys
from pathlib import Path

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from . import checkpoint
from .run import update_members


class Callback:
    """Do nothing; a callback overrides what it needs. Each method gets the `common.run.Run` under way.

    `step` and `end` are called in the given order, but a `Checkpoint` comes last, for it saves what the others did;
    `start` in reverse order, so that the others see what it restored.
    """

    def start(self, run):
        """Begin: nothing has been trained in this run, but a checkpoint may have been restored."""

    def step(self, run):
        """Follow a step; `run.epoch_ended` tells whether it was the last of its epoch.

        Model and optimizer hold the current weights then; within an epoch only after `run.sync()`.
        """

    def end(self, run):
        """Finish, also after an error; not called if `start` failed."""


class Progress(Callback):
    """Draw a progress bar with rate, remaining time and the losses of the last epoch."""

    def start(self, run):
        begin = {"total": run.steps, "initial": run.step}
        self._bar = tqdm(**begin, unit="step", file=sys.stdout, mininterval=0.5, ncols=100)

    def step(self, run):
        self._bar.update()
        if run.epoch_ended:
            losses = {name: mean_of_members(values[-1]) for name, values in run.history.items() if "loss" in name}
            self._bar.set_postfix({name: f"{value:.3f}" for name, value in losses.items()}, refresh=False)

    def end(self, run):
        self._bar.close()


class EarlyStopping(Callback):
    """Stop when a metric has not improved for some epochs, and put the weights of the best epoch back.

    The optimizer, and with it an average of the weights, stays at the last epoch. Added to a run on the way, it counts
    only the epochs from there on, also after further interruptions.

    Args:
        metric: name in the history; less is better if it ends in "loss", else more. For an ensemble its mean counts.
        patience: epochs without improvement before stopping, at least 1.

    Raises:
        ValueError: `patience` is below 1; when the first epoch ends: the history has no such metric.
    """

    def __init__(self, metric="validation_loss", patience=3):
        if patience < 1:
            raise ValueError(f"patience must be at least 1 epoch, got {patience}.")
        self.metric, self.patience = metric, patience

    def start(self, run):
        if run.best is None:
            run.uncounted = run.epoch
        self._stop_if_due(run)

    def step(self, run):
        if run.epoch_ended:
            if self._best(run) == run.epoch:
                run.best = run.weights()
            self._stop_if_due(run)

    def end(self, run):
        if run.best is not None:
            update_members(run.model, run.best)

    def _best(self, run):
        return run.uncounted + best_epoch(run.history, self.metric, run.uncounted)

    def _stop_if_due(self, run):
        run.stop |= run.epoch > run.uncounted and run.epoch - self._best(run) >= self.patience


class Checkpoint(Callback):
    """Write checkpoints at the end of every epoch: weights, optimizer, step, key, place in the data and history.

    A run that was killed and resumed ends with the same bits as one that was never interrupted.

    Args:
        folder: where the checkpoints go; made if missing.
        every: also write one every so many steps; None writes at the ends of epochs only.
        keep: how many of the latest stay, at least 1.
        best: name of a metric in the history; the checkpoint of its best epoch stays as well.
        resume: True trains on from the latest checkpoint, if there is one; a number from that of this step, and
            renames the later ones to `step_....abandoned`. The PRNG key comes from the checkpoint too: `key` of `fit`
            is then ignored.

    Raises:
        ValueError: a number below 1; when training starts: the folder holds checkpoints and `resume` is False, or
            they are of another model, optimizer or loader; the loader's place cannot be saved.
        CheckpointError: a checkpoint cannot be written, or is damaged.
    """

    def __init__(self, folder, *, every=None, keep=3, best=None, resume=False):
        if keep < 1 or (every is not None and every < 1):
            raise ValueError(f"keep and every must be at least 1, got keep={keep} and every={every}.")
        self.folder, self.every, self.keep, self.best, self.resume = Path(folder), every, keep, best, resume

    def start(self, run):
        if not hasattr(run.batches, "get_state"):
            raise ValueError(
                "a checkpoint needs a loader whose iterator has get_state and set_state, as common.data.train_loader "
                f"makes it; got {type(run.batches).__name__}."
            )
        found = checkpoint.list_checkpoints(self.folder)
        if found and self.resume is False:
            raise ValueError(
                f"{self.folder} holds checkpoints already, the latest {found[-1].name}; pass resume=True to train on "
                "from there, or name another folder."
            )
        checkpoint.prepare_folder(self.folder)
        later = []
        if self.resume is not True and self.resume is not False:
            chosen = checkpoint.step_name(self.resume)
            later = [path for path in found if path.name > chosen]
            found = [path for path in found if path.name == chosen]
            if not found:
                raise ValueError(f"{self.folder} has no checkpoint of step {self.resume}.")
        if found:
            run.restore(found[-1])
        if jax.process_index() == 0:
            for path in reversed(later):  # the newest first: if killed meanwhile, an older one is the latest
                checkpoint.set_aside(path)

    def step(self, run):
        if run.epoch_ended or (self.every is not None and run.step % self.every == 0):
            run.save(self.folder)
            self._remove_old(run)

    def _remove_old(self, run):
        """Remove all but the latest and the best."""
        kept = {checkpoint.step_name(run.step)}
        if self.best is not None and run.epoch:
            kept.add(checkpoint.step_name(best_epoch(run.history, self.best) * run.steps_per_epoch))
        if jax.process_index() == 0:
            for path in checkpoint.list_checkpoints(self.folder)[: -self.keep]:
                if path.name not in kept:
                    checkpoint.remove(path)


class Samples(Callback):
    """Draw from the model at the end of every epoch, for pictures of how it learns.

    Args:
        draw: `model -> array`; gets a copy of the model in evaluation mode, of an ensemble a list of copies. Compiled
            once if it is a jitted function of the model's state.

    Attributes:
        drawn: list of NumPy arrays, one an epoch.
    """

    def __init__(self, draw):
        self.draw, self.drawn = draw, []

    def step(self, run):
        if run.epoch_ended:
            copies = [nnx.clone(model) for model in (run.model if run.has_members else [run.model])]
            for model in copies:
                model.eval()
            self.drawn.append(np.asarray(self.draw(copies if run.has_members else copies[0])))


class TensorBoard(Callback):
    """Write the history for TensorBoard; needs the extra: `pip install "dl-jax101[tensorboard]"`.

    Args:
        folder: of the event files.

    Raises:
        ImportError: tensorboardX is not installed.
    """

    def __init__(self, folder):
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError('TensorBoard needs an extra: pip install "dl-jax101[tensorboard]".') from error
        self.writer = SummaryWriter(str(folder))

    def step(self, run):
        if run.epoch_ended:
            for name, values in run.history.items():
                self.writer.add_scalar(name, mean_of_members(values[-1]), run.step)

    def end(self, run):
        self.writer.close()


def mean_of_members(value):
    """Return the mean over those members of an ensemble whose value is finite; NaN if none is.

    Args:
        value: of one epoch in the history: float, or list of M.
    """
    values = np.atleast_1d(value)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if finite.size else np.nan


def best_epoch(history, metric, first=0):
    """Return the number of the best epoch, from 1; the first of several equal ones.

    Args:
        history: from `fit`.
        metric: name in it; less is better if it ends in "loss", else more. Of an ensemble the mean over the finite
            members counts; NaN is worst.
        first: epochs at the beginning to leave out; the number counts from there.

    Raises:
        ValueError: the history has no such metric.
    """
    if metric not in history:
        raise ValueError(f"no {metric!r} in the history, only {', '.join(history)}; does fit have a validation loader?")
    values = np.array([mean_of_members(value) for value in history[metric][first:]])
    losses = values if metric.endswith("loss") else -values
    return int(np.argmin(np.where(np.isnan(losses), np.inf, losses))) + 1
