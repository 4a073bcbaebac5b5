"""Averaged weights."""

import jax
import jax.numpy as jnp
from flax import nnx


class AveragingOptimizer(nnx.Optimizer):
    """An optimizer that also keeps an exponential moving average (EMA) of the model it trains.

    After step t the average moves towards the model by `1 - min(decay, (1 + t) / (10 + t))`: the first steps forget
    the random initial weights quickly. Statistics of batch normalisation are averaged like parameters; integers and
    keys are copied.

    Args:
        model: `nnx.Module` to be trained.
        tx: Optax transformation.
        wrt: filter of the variables to train, `nnx.Param`.
        decay: in [0, 1), the weight of the past once t is large.

    Attributes:
        average: a model like `model`, with the averaged variables; use it for evaluation and sampling. During a
            training its arrays live until the next step only: a callback that keeps them must copy them
            (`jax.tree.map(jnp.copy, nnx.state(optimizer.average))`), for the step uses its state up.

    Raises:
        ValueError: `decay` is out of range.

    References:
        Polyak and Juditsky (1992); the ramp of the decay is that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model, tx, *, wrt=nnx.Param, decay=0.999):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), got {decay}.")
        super().__init__(model, tx, wrt=wrt)
        self.decay = decay
        self.average = nnx.clone(model)

    def update(self, model, grads, **kwargs):
        """Update model and optimizer state, as `nnx.Optimizer.update` does, then the average."""
        updates = super().update(model, grads, **kwargs)
        t = self.step[...].astype(jnp.float32)
        rate = 1 - jnp.minimum(self.decay, (1 + t) / (10 + t))

        def move(old, new):
            return old + (rate * (new - old)).astype(old.dtype) if jnp.issubdtype(old.dtype, jnp.floating) else new

        nnx.update(self.average, jax.tree.map(move, nnx.state(self.average), nnx.state(model)))
        return updates
