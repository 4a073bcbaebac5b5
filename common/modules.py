"""What a model is made of."""

from flax import nnx

_iterate = getattr(nnx, "iter_modules", None) or nnx.iter_graph  # the first came after Flax 0.12.0


def modules_of(model):
    """Return the list of a model's modules, itself included.

    Args:
        model: `nnx.Module`.
    """
    return [node for _, node in _iterate(model) if isinstance(node, nnx.Module)]
