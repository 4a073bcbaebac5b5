"""Losses: values against NumPy, bad labels, and computing in bfloat16."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from tiny import Net, largest_difference, leaves_of, make_arrays, make_loaders, make_pair

from common import training
from common.data import evaluation_loader, train_loader
from common.losses import as_input, cross_entropy, in_bfloat16


def reference(logits, labels, mask):
    """Return the mean cross-entropy over unmasked labels, in float64."""
    logits = np.asarray(logits, np.float64)
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_probabilities, labels[..., None], -1)[..., 0]
    return losses[mask].mean()


@pytest.mark.parametrize("shape", [(7,), (3, 5)])
def test_cross_entropy_counts_what_the_mask_allows(shape, keys):
    logits = jax.random.normal(next(keys), (*shape, 4))
    labels = np.arange(np.prod(shape)).reshape(shape) % 4
    mask = np.arange(np.prod(shape)).reshape(shape) % 3 > 0
    batch = {"x": jnp.zeros(shape), "y": np.where(mask, labels, -1), "mask": mask}  # padding may hold any label
    value, metrics = cross_entropy(lambda x, rngs: logits, batch)
    assert float(value) == pytest.approx(reference(logits, labels, mask), rel=1e-5)
    assert float(metrics["loss"][1]) == mask.sum()


def test_a_batch_without_any_example_costs_nothing():
    batch = {"x": jnp.zeros(3), "y": np.zeros(3, int), "mask": np.zeros(3, bool)}
    value, _ = cross_entropy(lambda x, rngs: jnp.ones((3, 2)), batch)
    assert float(value) == 0


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.array([0, 3]), ValueError, r"labels in \[0, 3\) for a model of 3 outputs, got 0 to 3"),
        (np.array([-1, 2]), ValueError, r"labels in \[0, 3\).*got -1 to 2"),
        (np.array([0.0, 1.0]), TypeError, r"integer labels, got float64"),
        (np.array([[0], [1]]), ValueError, r"labels of shape \(2,\) for logits \(2, 3\), got \(2, 1\)"),
    ],
)
def test_bad_labels(labels, error, message):
    with pytest.raises(error, match=message):
        cross_entropy(lambda x, rngs: jnp.zeros((2, 3)), {"x": jnp.zeros(2), "y": labels})


@pytest.mark.parametrize("label", [-1, 3])
@pytest.mark.parametrize("strategy", ["jit", "pmap"])
def test_labels_out_of_range_stop_the_training_with_their_range(label, strategy):
    arrays = make_arrays()
    arrays["y"][77] = label
    message = r"labels in \[0, 3\) for a model of 3 outputs, got " + ("-1 to 2" if label < 0 else "0 to 3")
    with pytest.raises(ValueError, match=message):
        training.fit(*make_pair(), train_loader(arrays, 32), cross_entropy, strategy=strategy, callbacks=())


def test_images_are_scaled_and_other_input_is_not():
    assert float(as_input(jnp.array([255], jnp.uint8))[0]) == 1.0
    assert as_input(jnp.array([3], jnp.int32)).dtype == jnp.int32


def test_bfloat16_computes_coarsely_but_keeps_float32_parameters():
    seen = []

    class Watched(Net):
        def __call__(self, x, rngs=None):
            logits = super().__call__(x, rngs)
            seen.append((x.dtype, self.inner.kernel[...].dtype, logits.dtype))
            return logits

    model, batch = Watched(nnx.Rngs(0)), make_arrays()
    exact, _ = cross_entropy(model, batch)
    coarse, metrics = in_bfloat16(cross_entropy)(model, batch)
    assert seen[-1] == (jnp.bfloat16,) * 3 and coarse.dtype == jnp.float32
    assert 0 < abs(float(coarse - exact)) < 0.02 * float(exact)  # bfloat16 has 8 bits: 2 to the power -8 is 0.4 %
    assert metrics["loss"][0].dtype == jnp.float32


def test_bfloat16_trains_like_float32():
    histories = []
    for loss in (cross_entropy, in_bfloat16(cross_entropy)):
        model, optimizer = make_pair()
        loader, check = make_loaders(20)
        histories.append(training.fit(model, optimizer, loader, loss, validation=check, callbacks=()))
        assert {leaf.dtype for leaf in leaves_of(model)} == {np.dtype("float32")}
        assert largest_difference(leaves_of(model.norm), leaves_of(Net(nnx.Rngs(0)).norm)) > 0.1  # statistics moved
    assert histories[0]["loss"] != histories[1]["loss"]
    np.testing.assert_allclose(histories[1]["validation_loss"], histories[0]["validation_loss"], rtol=0.05)


def test_bfloat16_is_made_once_for_a_loss():
    assert in_bfloat16(cross_entropy) is in_bfloat16(cross_entropy)


def test_bfloat16_leaves_whole_numbers_alone():
    def embed(model, batch, rngs):
        assert batch["x"].dtype == jnp.int32
        value = model(batch["x"]).astype(jnp.float32).mean()
        return value, {"loss": (value, jnp.float32(1))}

    value, _ = in_bfloat16(embed)(nnx.Embed(300, 4, rngs=nnx.Rngs(0)), {"x": jnp.arange(300)})
    assert np.isfinite(value)


def test_evaluation_in_bfloat16(keys):
    model = Net(nnx.Rngs(0))
    found = training.evaluate(model, evaluation_loader(make_arrays(), 64), in_bfloat16(cross_entropy))
    exact = training.evaluate(model, evaluation_loader(make_arrays(), 64), cross_entropy)
    assert found["loss"] == pytest.approx(exact["loss"], rel=0.02)
