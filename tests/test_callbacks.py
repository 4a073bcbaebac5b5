"""Progress, early stopping, samples and TensorBoard."""

import sys

import jax.numpy as jnp
import numpy as np
import pytest
from tiny import largest_difference, last_gradient_nan, leaves_of, make_loaders, make_pair

from common import training
from common.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    Progress,
    Samples,
    TensorBoard,
    best_epoch,
    mean_of_members,
)
from common.losses import cross_entropy
from common.run import NonFiniteLoss


def train(callbacks, epochs=4, **settings):
    model, optimizer = make_pair()
    loader, check = make_loaders(epochs)
    settings = {"validation": check} | settings
    history = training.fit(model, optimizer, loader, cross_entropy, callbacks=callbacks, **settings)
    return model, optimizer, history


class Recorder(Callback):
    """Write down what is called, and the weights at the end of each epoch."""

    def __init__(self):
        self.calls, self.weights = [], []

    def start(self, run):
        self.calls.append("start")

    def step(self, run):
        self.calls.append(run.step)
        if run.epoch_ended:
            self.weights.append([leaf.copy() for leaf in leaves_of(run.model)])

    def end(self, run):
        self.calls.append("end")


def test_callbacks_are_called_in_order_and_see_the_current_weights():
    recorder = Recorder()
    model, _, history = train([recorder], epochs=2)
    assert recorder.calls == ["start", *range(1, 11), "end"]
    assert largest_difference(recorder.weights[-1], leaves_of(model)) == 0
    assert largest_difference(recorder.weights[0], recorder.weights[1]) > 1e-3
    assert {len(values) for values in history.values()} == {2}


def test_end_is_called_after_an_error():
    class Failing(Recorder):
        def step(self, run):
            raise KeyError("on purpose")

    failing = Failing()
    with pytest.raises(KeyError, match="on purpose"):
        train([failing])
    assert failing.calls == ["start", "end"]


def test_progress_shows_rate_remaining_time_and_losses_on_standard_output(capsys):
    train([Progress()])
    captured = capsys.readouterr()
    last = captured.out.split("\r")[-1]
    assert "20/20" in last and "step/s" in last and "validation_loss=" in last and "<00:00" in last
    assert captured.err == ""


def test_progress_of_a_resumed_run_starts_where_it_goes_on(tmp_path, capsys):
    train([Checkpoint(tmp_path)], epochs=2)
    train([Progress(), Checkpoint(tmp_path, resume=True)], epochs=3)
    first = capsys.readouterr().out.split("\r")[1]
    assert "10/15" in first or "11/15" in first


@pytest.mark.parametrize("metric", ["validation_loss", "validation_accuracy"])
def test_early_stopping_returns_the_best_weights(metric):
    class Scripted(Callback):
        """Replace the metric by a script: best at the third epoch."""

        def step(self, run):
            if run.epoch_ended:
                quality = [1, 2, 5, 4, 4, 4, 4, 4][run.epoch - 1]
                run.history[metric][-1] = quality if "accuracy" in metric else -quality

    recorder = Recorder()
    model, _, history = train([Scripted(), recorder, EarlyStopping(metric, patience=2)], epochs=8)
    assert len(history["loss"]) == 5
    assert largest_difference(leaves_of(model), recorder.weights[2]) == 0
    assert largest_difference(leaves_of(model), recorder.weights[4]) > 1e-4


def test_early_stopping_does_not_hide_weights_that_are_not_finite():
    loss, loader = last_gradient_nan()
    model, optimizer = make_pair()
    kept = Recorder()
    with pytest.raises(NonFiniteLoss, match="step 5: weights"):
        training.fit(model, optimizer, loader, loss, callbacks=[kept, EarlyStopping("loss")])
    assert np.isnan(kept.weights[0][0]).any()


def test_early_stopping_of_an_ensemble_watches_the_mean():
    models, optimizers = map(list, zip(*(make_pair(seed) for seed in range(2)), strict=True))
    loader, check = make_loaders(40)
    settings = {"validation": check, "callbacks": [EarlyStopping("validation_accuracy", patience=2)]}
    history = training.fit(models, optimizers, loader, cross_entropy, **settings)
    best = best_epoch(history, "validation_accuracy")
    assert len(history["loss"]) == best + 2 < 40
    again = training.evaluate(models, check, cross_entropy)
    np.testing.assert_allclose(again["accuracy"], history["validation_accuracy"][best - 1])


def test_best_epoch():
    history = {"loss": [3.0, 1.0, float("nan"), 1.0], "accuracy": [[0.1, 0.3], [0.5, 0.1], [0.3, 0.1], [0.2, 0.2]]}
    assert best_epoch(history, "loss") == 2 and best_epoch(history, "accuracy") == 2
    with pytest.raises(ValueError, match="no 'validation_loss' in the history, only loss, accuracy"):
        best_epoch(history, "validation_loss")


def test_diverged_member_does_not_blind_the_mean():
    history = {"loss": [[3.0, float("nan")], [1.0, float("inf")], [2.0, float("nan")]]}
    assert best_epoch(history, "loss") == 2 and best_epoch(history, "loss", 2) == 1
    assert np.isnan(mean_of_members([float("nan"), float("inf")])) and mean_of_members(2.0) == 2


def test_early_stopping_without_validation_says_so():
    with pytest.raises(ValueError, match="does fit have a validation loader"):
        train([EarlyStopping()], validation=None)
    with pytest.raises(ValueError, match="at least 1 epoch, got 0"):
        EarlyStopping(patience=0)


def test_samples_are_drawn_in_evaluation_mode_every_epoch():
    modes = []
    x = jnp.ones((2, 4))

    def draw(model):
        modes.append(model.norm.use_running_average)
        return model(x)

    samples = Samples(draw)
    model, _, _ = train([samples], epochs=3)
    assert modes == [True] * 3 and len(samples.drawn) == 3
    model.eval()
    np.testing.assert_allclose(samples.drawn[-1], model(x), atol=1e-6)
    assert all(isinstance(drawn, np.ndarray) for drawn in samples.drawn)


def test_samples_of_an_ensemble_come_from_all_members():
    models, optimizers = map(list, zip(*(make_pair(seed) for seed in range(2)), strict=True))
    samples = Samples(lambda models: np.stack([model(jnp.ones((1, 4))) for model in models]))
    training.fit(models, optimizers, make_loaders(2)[0], cross_entropy, callbacks=[samples])
    assert samples.drawn[1].shape == (2, 1, 3) and (samples.drawn[1][0] != samples.drawn[1][1]).any()


def test_end_of_every_started_callback_is_called():
    class Failing(Recorder):
        def start(self, run):
            raise KeyError("cannot begin")

    class FailingEnd(Recorder):
        def end(self, run):
            super().end(run)
            raise KeyError("cannot finish")

    first, last = Recorder(), Recorder()  # start is called from the last to the first
    with pytest.raises(KeyError, match="cannot begin"):
        train([first, Failing(), last])
    assert (first.calls, last.calls) == ([], ["start", "end"])
    first, last = FailingEnd(), Recorder()
    with pytest.raises(KeyError, match="cannot finish"):
        train([first, last], epochs=1)
    assert first.calls[-1] == last.calls[-1] == "end"


def test_tensorboard_writes_the_history(tmp_path):
    from tensorboardX.proto.event_pb2 import Event
    from tensorboardX.record_writer import masked_crc32c

    _, _, history = train([TensorBoard(tmp_path)], epochs=2)
    (path,) = tmp_path.iterdir()
    content, position, scalars = path.read_bytes(), 0, {}
    while position < len(content):  # TFRecord: length (8 bytes), its CRC (4), the event, its CRC (4)
        length = int.from_bytes(content[position : position + 8], "little")
        event = Event.FromString(content[position + 12 : position + 12 + length])
        assert masked_crc32c(content[position : position + 8]) == int.from_bytes(
            content[position + 8 : position + 12], "little"
        )
        scalars |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        position += 16 + length
    assert scalars[("loss", 10)] == pytest.approx(history["loss"][1]) and len(scalars) == 2 * len(history)


def test_tensorboard_missing_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r'pip install "dl-jax101\[tensorboard\]"'):
        TensorBoard(tmp_path)
