"""The exponential moving average of weights and statistics."""

import jax
import numpy as np
import pytest
from flax import nnx
from tiny import ADAM, Net, largest_difference, leaves_of, make_loaders

from common import training
from common.averaging import AveragingOptimizer
from common.callbacks import Callback
from common.losses import cross_entropy


class Trace(Callback):
    """Keep the model's variables after every step."""

    def __init__(self):
        self.states = []

    def step(self, run):
        run.sync()
        self.states.append([leaf.copy() for leaf in leaves_of(run.model)])


@pytest.mark.parametrize("strategy", ["jit", "pmap", "sharding"])
@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_average_is_the_recursion_over_parameters_and_statistics(strategy, decay):
    model, trace = Net(nnx.Rngs(0)), Trace()
    optimizer = AveragingOptimizer(model, ADAM, decay=decay)
    average = [leaf.astype(np.float64) for leaf in leaves_of(model)]
    loader, _ = make_loaders(epochs=3)
    training.fit(model, optimizer, loader, cross_entropy, strategy=strategy, callbacks=[trace])
    for t, state in enumerate(trace.states, start=1):
        rate = min(decay, (1 + t) / (10 + t))
        average = [rate * old + (1 - rate) * new for old, new in zip(average, state, strict=True)]
    assert len(average) == 7  # two kernels, one bias, scale and shift, mean and variance
    assert largest_difference(leaves_of(optimizer.average), average) <= 1e-5
    if decay == 0:
        assert largest_difference(leaves_of(optimizer.average), leaves_of(model)) <= 1e-6


def test_average_can_be_evaluated_and_leaves_the_model_alone():
    plain, model = Net(nnx.Rngs(0)), Net(nnx.Rngs(0))
    loader, check = make_loaders(epochs=8)
    training.fit(plain, nnx.Optimizer(plain, ADAM, wrt=nnx.Param), loader, cross_entropy, callbacks=())
    optimizer = AveragingOptimizer(model, ADAM, decay=0.9)
    training.fit(model, optimizer, loader, cross_entropy, callbacks=())
    assert largest_difference(leaves_of(model), leaves_of(plain)) <= 1e-6
    assert training.evaluate(optimizer.average, check, cross_entropy)["loss"] < 0.8  # guessing: ln 3 = 1.1


def test_counters_and_keys_are_copied():
    model = nnx.Sequential(nnx.Linear(4, 3, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1)))
    optimizer = AveragingOptimizer(model, ADAM, decay=0.5)

    def loss(model, batch, rngs):
        return cross_entropy(lambda x, rngs: model(x), batch)

    training.fit(model, optimizer, make_loaders(epochs=1)[0], loss, callbacks=())
    stream, its_average = model.layers[1].rngs, optimizer.average.layers[1].rngs
    assert int(its_average.count[...]) == int(stream.count[...]) == 5
    assert (jax.random.key_data(its_average.key[...]) == jax.random.key_data(stream.key[...])).all()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decay_out_of_range(decay):
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\)"):
        AveragingOptimizer(Net(nnx.Rngs(0)), ADAM, decay=decay)
