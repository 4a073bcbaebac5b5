"""Save and load states with Orbax, and the checkpoints of a training run."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

# Orbax 0.12 shortened the names; Colab may carry either.
_save = getattr(ocp, "save", None) or ocp.save_pytree
_load = getattr(ocp, "load", None) or ocp.load_pytree
_metadata = getattr(ocp, "metadata", None) or ocp.pytree_metadata

_STEP_NAME = re.compile(r"step_\d{8}")
_UNLISTED = ("digests.json", ".DS_Store")  # macOS leaves the latter wherever somebody looks into a folder


class CheckpointError(OSError):
    """A checkpoint could not be written or is not what it was when it was written."""


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
    _save(path, _keys_as_numbers(state))


def load(path, template):
    """Read a state back.

    Args:
        path: folder that `save` made.
        template: pytree with the structure, shapes and dtypes to expect, for instance `nnx.state(new_model)`.

    Returns:
        A pytree like `template`, with the saved values.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: the folder is not of `save`; the saved state has another structure or other shapes than the
            template. Another dtype is cast to that of the template.
    """
    path = Path(path).resolve()
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; give the folder that save() made.")
    plain = _keys_as_numbers(template)
    try:
        saved = _metadata(path).metadata
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"{path} is no folder that save() made; that of a run is step_.../state.") from error
    compare_shapes(path, shapes_of(plain), shapes_of(saved))
    return _numbers_as_keys(_load(path, plain), template)


def shapes_of(tree):
    """Return `{path of a leaf: its shape}`, written alike for a state and for Orbax's metadata."""
    return {
        "/".join(str(getattr(key, "key", getattr(key, "name", key))) for key in path): np.shape(leaf)
        for path, leaf in jax.tree.leaves_with_path(tree)
    }


def _is_key(leaf):
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _keys_as_numbers(tree):
    """Replace PRNG keys by their numbers, since not every Orbax can read keys back."""
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if _is_key(leaf) else leaf, tree)


def _numbers_as_keys(tree, template):
    def restore(leaf, like):
        return jax.random.wrap_key_data(leaf, impl=jax.random.key_impl(like)) if _is_key(like) else leaf

    return jax.tree.map(restore, tree, template)


def compare_shapes(path, expected, found):
    """Raise ValueError that names the first array in which a file differs from what was expected.

    Args:
        path: of the file, for the message.
        expected, found: `{path of an array: shape}`.
    """
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"{path} is of another model: {name} has shape {found.get(name)}, expected {expected.get(name)}; "
                "build the model with the settings that it was saved with."
            )


def write_checkpoint(folder, step, state, record):
    """Write a checkpoint `folder/step_00000123`, all of it or nothing, even if the process is killed meanwhile.

    When several processes train, all of them call this, with the same arguments, and the first one writes.

    Args:
        folder: of the run.
        step: number of the step.
        state: pytree of arrays; of NumPy arrays when several processes train.
        record: what else to remember; anything that JSON can hold.

    Raises:
        CheckpointError: it could not be written; earlier checkpoints stay as they are.
        TypeError: JSON cannot hold the record.
    """
    text = json.dumps(record)
    path = Path(folder).resolve() / step_name(step)
    staged = path.with_name(f"{path.name}.tmp")
    is_first = jax.process_index() == 0
    try:
        if is_first:
            shutil.rmtree(staged, ignore_errors=True)  # left by a process that was killed
            staged.mkdir(parents=True)
        _save(staged / "state", _keys_as_numbers(state))  # Orbax makes the processes wait for each other
        if is_first:
            (staged / "record.json").write_text(text, encoding="utf-8")
            (staged / "digests.json").write_text(json.dumps(_digests(staged)), encoding="utf-8")
            _flush(staged)
            shutil.rmtree(path, ignore_errors=True)
            os.replace(staged, path)
    except Exception as error:  # Orbax raises various types for one full disk
        shutil.rmtree(staged, ignore_errors=True)
        raise CheckpointError(
            f"cannot write {path}: {error}. The checkpoints before it are intact: mend the cause (a full disk? no "
            "permission to write?), then train on with resume=True."
        ) from error


def _digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in _UNLISTED)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _flush(folder):
    """Wait until the files are on the disk, so that even a power cut leaves no renamed but empty checkpoint."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def read_record(path):
    """Check a checkpoint of a run and return its record.

    Args:
        path: folder `step_...` that `write_checkpoint` made.

    Raises:
        CheckpointError: a file of it is missing or changed; the message names it and the newest intact checkpoint.
    """
    if (damage := _damage(path)) is None:
        return json.loads((path / "record.json").read_text(encoding="utf-8"))
    intact = [other for other in list_checkpoints(path.parent) if other != path and _damage(other) is None]
    advice = (
        f"the newest intact one is {intact[-1].name}: remove {path.name} to resume from it" if intact else "no other"
    )
    raise CheckpointError(f"{path} is damaged: {damage}; {advice}.")


def _damage(path):
    """Return what is wrong with a checkpoint, None if nothing is."""
    try:
        digests = json.loads((path / "digests.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "digests.json is missing or unreadable"
    if not isinstance(digests, dict):
        return "digests.json does not list the files"
    found = _digests(path)
    if not any(name.startswith("state/") for name in found):
        return "state/ is missing"
    for name in sorted(digests.keys() | found.keys() | {"record.json"}):
        if name not in found:
            return f"{name} is missing"
        if name not in digests:
            return f"digests.json does not list {name}"
        if found[name] != digests[name]:
            return f"{name} ({(path / name).stat().st_size} bytes) differs from what was written"
    return None


def prepare_folder(folder):
    """Make a folder if it is missing, remove what a killed process left half written, and try to write there.

    When several processes train, all of them call this, and the first one does it.

    Raises:
        CheckpointError: it failed, in every process.
    """
    cause = _try_to_write(folder) if jax.process_index() == 0 else None
    failed = cause is not None
    if jax.process_count() > 1:  # else the others would wait for the first one for ever
        failed = multihost_utils.broadcast_one_to_all(np.int32(failed))
    if failed:
        raise CheckpointError(
            f"cannot write in {folder}: {cause or 'process 0 failed'}; choose another folder for the checkpoints."
        ) from cause


def _try_to_write(folder):
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for leftover in Path(folder).glob("step_*.tmp"):
            shutil.rmtree(leftover)
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error


def remove(path):
    """Remove a checkpoint; a process killed meanwhile leaves nothing that looks like one."""
    doomed = path.with_name(f"{path.name}.tmp")
    shutil.rmtree(doomed, ignore_errors=True)
    os.replace(path, doomed)
    shutil.rmtree(doomed)


def set_aside(path):
    """Rename a checkpoint, so that no run goes on from it; one set aside earlier under this name is removed."""
    aside = path.with_name(f"{path.name}.abandoned")
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(path, aside)


def step_name(step):
    """Return the folder name of a step's checkpoint."""
    return f"step_{step:08d}"


def list_checkpoints(folder):
    """Return the paths of the complete checkpoints in a folder, oldest first."""
    return sorted(path for path in Path(folder).resolve().glob("step_*") if _STEP_NAME.fullmatch(path.name))
