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


def test_mask_of_the_examples_covers_all_their_tokens(keys):
    logits, labels = jax.random.normal(next(keys), (4, 4, 3)), np.arange(16).reshape(4, 4) % 3
    rows = np.array([True, False, True, True])
    expected = reference(logits, labels, np.repeat(rows, 4).reshape(4, 4))
    for mask in (rows, rows.astype(np.float32), rows.astype(np.int32)):
        value, metrics = cross_entropy(lambda x, rngs: logits, {"x": jnp.zeros(4), "y": labels, "mask": mask})
        assert float(value) == pytest.approx(expected, rel=1e-5)
        assert (float(metrics["loss"][1]), float(metrics["accuracy"][1])) == (12, 12)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (4, 4, 1)])
def test_mask_of_another_shape_is_refused(shape):
    for kind in (jnp, np):
        batch = {"x": jnp.zeros(4), "y": kind.zeros((4, 4), int), "mask": kind.ones(shape, bool)}
        with pytest.raises(ValueError, match=r"a mask of shape \(4, 4\), or of its first axes, got"):
            cross_entropy(lambda x, rngs: jnp.zeros((4, 4, 3)), batch)


def test_labels_in_a_small_integer_type(keys):
    logits, labels = jax.random.normal(next(keys), (256, 256)), np.arange(256)
    for dtype in (np.uint8, np.int32):
        value, _ = jax.jit(lambda y: cross_entropy(lambda x, rngs: logits, {"x": jnp.zeros(256), "y": y}))(
            labels.astype(dtype)
        )
        assert float(value) == pytest.approx(reference(logits, labels, np.ones(256, bool)), rel=1e-5)


def test_logits_of_low_precision_are_summed_in_float32():
    logits = jnp.zeros((1, 1000), jnp.bfloat16)  # adding ones one by one, bfloat16 would stop at 256
    value, _ = cross_entropy(lambda x, rngs: logits, {"x": jnp.zeros(1), "y": np.zeros(1, int)})
    assert value.dtype == jnp.float32 and float(value) == pytest.approx(np.log(1000), rel=1e-5)


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


def test_bad_label_that_comes_only_in_a_later_epoch_is_named():
    arrays = make_arrays(65)  # the first epoch of two batches leaves one example out
    order = np.concatenate([batch["x"] for batch in train_loader({"x": np.arange(65)}, 32)])
    arrays["y"][np.setdiff1d(np.arange(65), order)] = 3
    with pytest.raises(ValueError, match="got 0 to 3"):
        training.fit(*make_pair(), train_loader(arrays, 32, epochs=20), cross_entropy, callbacks=())


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
