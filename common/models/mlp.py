"""Multi-layer perceptron."""

import itertools
import math
from collections.abc import Callable, Sequence

import jax
from flax import nnx


class MLP(nnx.Module):
    """Linear layers with an activation function between them.

    Args:
        in_features: numbers in one example, after flattening.
        hidden_features: width of each hidden layer; empty gives a linear model.
        out_features: number of outputs, K.
        activation: elementwise function.
        rngs: `nnx.Rngs` for the initial weights.

    Example:
        `MLP(784, (256, 128), 10, rngs=nnx.Rngs(0))` maps (B, 28, 28, 1) to logits (B, 10).
    """

    def __init__(
        self,
        in_features: int,
        hidden_features: Sequence[int],
        out_features: int,
        *,
        activation: Callable[[jax.Array], jax.Array] = nnx.relu,
        rngs: nnx.Rngs,
    ):
        sizes = (in_features, *hidden_features, out_features)
        self.layers = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes)])
        self.activation = activation

    def __call__(self, x, rngs=None):
        """Return logits.

        Args:
            x: (B, ...) float array whose other axes multiply to `in_features`.
            rngs: not used; every model of the course takes it.

        Returns:
            (B, out_features) float array.

        Raises:
            ValueError: the batch axis is missing, or the examples have another size.
        """
        expected = self.layers[0].in_features
        if x.ndim < 2 or math.prod(x.shape[1:]) != expected:
            raise ValueError(
                f"expected a batch (B, ...) of examples with {expected} numbers each, got shape {x.shape}."
            )
        h = x.reshape(x.shape[0], -1)  # (B, in_features)
        *hidden, last = self.layers
        for layer in hidden:
            h = self.activation(layer(h))
        return last(h)
