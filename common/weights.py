"""Weights as one safetensors file, which other frameworks read too."""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import safetensors
import safetensors.numpy
from flax import nnx

from .checkpoint import compare_shapes, shapes_of


def export_weights(path, model, metadata=None, *, dtype=None):
    """Write all variables of a model, but for random streams, to a safetensors file.

    Args:
        path: file to write, usually `*.safetensors`; an older one is replaced only when the new one is complete.
        model: `nnx.Module`; arrays are named by their path, as in "layers.0.kernel".
        metadata: `{str: str}` to store with them, for instance how they were trained.
        dtype: of the floats in the file, for instance `numpy.float16` to halve it; None keeps theirs.
    """
    path = Path(path)
    staged = path.with_name(f".{path.name}.tmp")
    arrays = {name: np.array(leaf) for name, leaf in _named(_variables(model)).items()}
    if dtype is not None:
        is_float = {name: jnp.issubdtype(each.dtype, jnp.floating) for name, each in arrays.items()}
        arrays = {name: each.astype(dtype) if is_float[name] else each for name, each in arrays.items()}
    safetensors.numpy.save_file(arrays, staged, metadata)
    os.replace(staged, path)


def import_weights(path, model):
    """Read a safetensors file into a model, in place.

    Args:
        path: file that `export_weights` wrote.
        model: `nnx.Module` with the same names and shapes.

    Returns:
        The file's metadata, `{str: str}`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or of another model; the model is then unchanged.
    """
    try:
        with safetensors.safe_open(path, "numpy") as file:
            arrays, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is damaged or not a safetensors file ({error}); fetch or export it again.") from error
    state = _variables(model)
    shapes = [{name: tuple(leaf.shape) for name, leaf in tree.items()} for tree in (_named(state), arrays)]
    compare_shapes(path, *shapes)
    leaves = [jnp.asarray(arrays[name], leaf.dtype) for name, leaf in _named(state).items()]
    nnx.update(model, jax.tree.unflatten(jax.tree.structure(state), leaves))
    return metadata or {}


def _variables(model):
    return nnx.state(model, nnx.Not(nnx.RngState))  # keys are no weights, and safetensors does not know them


def _named(state):
    """Return {dotted path: array} in the order of the leaves, without the final "value" of a variable."""
    paths = [path.removesuffix("/value").replace("/", ".") for path in shapes_of(state)]
    return dict(zip(paths, jax.tree.leaves(state), strict=True))
