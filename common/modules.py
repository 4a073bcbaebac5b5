"""What a model is made of."""

import jax
from flax import nnx

_iterate = getattr(nnx, "iter_modules", None) or nnx.iter_graph  # the first came after Flax 0.12.0


def modules_of(model):
    """Return the list of a model's modules, itself included.

    Args:
        model: `nnx.Module`.
    """
    return [node for _, node in _iterate(model) if isinstance(node, nnx.Module)]


def frozen(model):
    """Return a copy that computes the same, but whose parameters no gradient reaches.

    Gradients still pass through it to its input. What the copy's calls change, such as statistics of batch
    normalisation, stays in the copy.

    Args:
        model: `nnx.Module`.
    """
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    rest = jax.tree.map(lambda leaf: leaf, rest)  # new variables, which the copy may change
    return nnx.merge(graphdef, jax.tree.map(jax.lax.stop_gradient, params), rest)
