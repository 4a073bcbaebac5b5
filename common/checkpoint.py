"""Save and load weights with Orbax."""

from pathlib import Path

import jax
from orbax.checkpoint import v1 as ocp

# Orbax 0.12 shortened the names; Colab may carry either.
_save = getattr(ocp, "save", None) or ocp.save_pytree
_load = getattr(ocp, "load", None) or ocp.load_pytree
_metadata = getattr(ocp, "metadata", None) or ocp.pytree_metadata


def save(path, state):
    """Write a state to a new folder, all of it or nothing.

    Args:
        path: folder to make, absolute or relative.
        state: pytree of arrays, for instance `nnx.state(model)`.

    Raises:
        FileExistsError: the folder is already there; choose another name or remove it.
    """
    path = Path(path).resolve()  # Orbax takes absolute paths only
    if path.exists():
        raise FileExistsError(f"{path} exists already; remove it or save under another name.")
    _save(path, state)


def load(path, template):
    """Read a state back.

    Args:
        path: folder that `save` made.
        template: pytree with the structure, shapes and dtypes to expect, for instance `nnx.state(new_model)`.

    Returns:
        A pytree like `template`, with the saved values.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the saved state has another structure or other shapes than the template.
    """
    path = Path(path).resolve()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give the folder that save() made.")
    expected, found = _shapes(template), _shapes(_metadata(path).metadata)
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"{path} is of another model: {name} has shape {found.get(name)}, expected {expected.get(name)}; "
                "build the model with the settings that it was saved with."
            )
    return _load(path, template)


def _shapes(tree):
    """Return {path of a leaf: its shape}, written alike for a state and for Orbax's metadata."""
    return {
        "/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path): tuple(leaf.shape)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }
