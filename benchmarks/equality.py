"""All contenders must compute the same before it is worth timing them."""

import jax
import numpy as np
from flax import nnx

TOLERANCE = 1e-2  # of a gradient's norm: where the input of a ReLU is 0 but for rounding, the libraries may differ


def check_equal(workload, batch, has_torch):
    """Raise AssertionError unless all contenders compute the same loss and the same gradients from equal weights.

    Args:
        workload: `benchmarks.workloads.Workload`.
        batch: `{name: NumPy array}`.
        has_torch: whether PyTorch takes part.
    """
    model, book = workload.common(), workload.textbook()
    nnx.update(book, nnx.state(model, nnx.Param))
    (value, grads), (book_value, book_grads) = (loss_and_grads(workload, one, batch) for one in (model, book))
    np.testing.assert_allclose(value, book_value, rtol=1e-5)
    for one, other in zip(*map(jax.tree.leaves, (grads, book_grads)), strict=True):
        _assert_close(one, other)
    if has_torch:
        _check_torch(workload, batch, model, value, grads)


def _check_torch(workload, batch, model, value, grads):
    from benchmarks import pytorch

    graphdef, _, rest = nnx.split(model, nnx.Param, ...)
    gradients = pytorch.module_of(workload, nnx.merge(graphdef, grads, rest))
    module = pytorch.module_of(workload, model)
    loss = getattr(pytorch, workload.kind.torch)(module, pytorch.batch_of(batch))
    np.testing.assert_allclose(loss.item(), value, rtol=1e-4)
    for one, other in zip(module.parameters(), gradients.parameters(), strict=True):
        if one.requires_grad:
            _assert_close(one.grad.numpy(), other.detach().numpy())


def loss_and_grads(workload, model, batch):
    """Return the loss of a model, textbook or not, and its gradients with respect to the parameters."""
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)

    def loss_of(params):
        merged = nnx.merge(graphdef, params, jax.tree.map(lambda leaf: leaf, rest))
        merged.train()
        return workload.kind.loss(_Lenient(merged), batch, None)

    (value, _), grads = jax.jit(jax.value_and_grad(loss_of, has_aux=True))(params)
    return value, grads


class _Lenient:
    """Call a textbook model as those of the course are called, with `rngs`."""

    def __init__(self, model):
        self._model = model

    def __call__(self, *inputs, rngs=None):
        return self._model(*inputs)

    def __getattr__(self, name):
        return getattr(self._model, name)


def _assert_close(one, other):
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    difference = np.linalg.norm(one - other) / max(np.linalg.norm(other), 1e-6)
    assert difference < TOLERANCE, f"gradients of shape {one.shape} differ by {difference:.1e} of their norm"
