"""Transformers: equality with NNX and with NumPy, causality, the key-value cache, patches, bad input, learning."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from tiny import compiled

from common import training
from common.data import train_loader
from common.losses import cross_entropy, in_bfloat16
from common.models.transformer import (
    GPT,
    GPTConfig,
    SelfAttention,
    TransformerBlock,
    ViT,
    ViTConfig,
    causal_mask,
    split_patches,
)

TEXTS = np.array([[3, 1, 2, 0, 5], [2, 4, 4, 1, 6]], np.int32)


def make_rngs(seed=0):
    """Return random streams of a generator that compiles in a fifth of the usual time."""
    return nnx.Rngs(jax.random.key(seed, impl="rbg"))


def make_gpt(dropout=0.0, seed=0):
    return GPT(GPTConfig(7, context=8, features=8, heads=2, blocks=2, dropout=dropout), rngs=make_rngs(seed))


def make_vit(dropout=0.0):
    config = ViTConfig((4, 6, 2), 3, patch_size=2, features=8, heads=2, blocks=2, dropout=dropout)
    return ViT(config, rngs=make_rngs())


def draw(shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def make_images(count=6):
    rng = np.random.default_rng(0)
    return {"x": rng.normal(size=(count, 4, 6, 2)).astype(np.float32), "y": np.arange(count) % 3}


def parameter_count(build):
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(nnx.eval_shape(build), nnx.Param)))


@pytest.mark.parametrize("mask", [None, causal_mask(5)], ids=["all", "causal"])
def test_attention_equals_nnx_with_the_same_weights(mask):
    theirs = nnx.MultiHeadAttention(2, 8, decode=False, rngs=make_rngs(1))
    mine = SelfAttention(8, 2, rngs=make_rngs())
    for name in ("query", "key", "value", "out"):
        layer = getattr(theirs, name)
        layer.bias[...] = draw(layer.bias.shape)
    x = draw((3, 5, 8))
    nnx.update(mine, nnx.state(theirs, nnx.Param))
    np.testing.assert_allclose(*jax.jit(lambda x: (mine(x, mask), theirs(x, mask=mask)))(x), atol=1e-5)


def test_attention_weights_by_numpy():
    attention = SelfAttention(6, 2, rngs=make_rngs())
    x = draw((1, 4, 6))
    found = attention.weights(x, causal_mask(4))
    for head in range(2):
        queries, keys = (x[0] @ np.asarray(layer.kernel[...])[:, head] for layer in (attention.query, attention.key))
        exponentials = np.tril(np.exp(queries @ keys.T / np.sqrt(3)))
        np.testing.assert_allclose(found[0, head], exponentials / exponentials.sum(1, keepdims=True), atol=1e-6)


def test_heads_must_divide_the_features():
    with pytest.raises(ValueError, match="heads must divide features, got 8 features and 3 heads"):
        TransformerBlock(8, 3, rngs=make_rngs())


def test_block_by_its_definition():
    block = TransformerBlock(6, 2, rngs=make_rngs())
    x = draw((2, 4, 6))

    def normalise(x):
        return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)

    h = x + np.asarray(block.attention(normalise(x)))
    hidden = normalise(h) @ np.asarray(block.hidden.kernel[...])
    hidden = hidden * (1 + np.tanh(np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3))) / 2
    np.testing.assert_allclose(compiled(block)(x), h + hidden @ np.asarray(block.out.kernel[...]), atol=1e-5)


def test_block_without_mask_does_not_know_the_order():
    block, x = TransformerBlock(8, 2, rngs=make_rngs()), draw((2, 5, 8))
    order = np.array([3, 1, 4, 0, 2])
    free, causal = compiled(block), jax.jit(lambda x: block(x, mask=causal_mask(5)))
    np.testing.assert_allclose(free(x)[:, order], free(x[:, order]), atol=1e-5)
    assert np.abs(causal(x)[:, order] - causal(x[:, order])).max() > 0.01


def test_parameter_counts_by_hand():
    block = 4 * (8 * 8 + 8) + (8 * 32 + 32) + (32 * 8 + 8) + 2 * (2 * 8)  # attention, MLP, two normalisations
    assert parameter_count(lambda: TransformerBlock(8, 2, rngs=make_rngs())) == block
    assert parameter_count(make_gpt) == 7 * 8 + 8 * 8 + 2 * block + 2 * 8
    assert parameter_count(make_vit) == (2 * 2 * 2 * 8 + 8) + 8 + (1 + 6) * 8 + 2 * block + 2 * 8 + (8 * 3 + 3)
    for build in (make_gpt, make_vit):
        model = nnx.eval_shape(lambda build=build: build(dropout=0.1))
        assert len(jax.tree.leaves(nnx.state(model, nnx.Not(nnx.Param)))) == 0  # no random streams


def test_later_tokens_do_not_change_earlier_logits():
    model, changed = compiled(make_gpt()), TEXTS.copy()
    changed[:, 3] = (changed[:, 3] + 1) % 7
    before, after = model(TEXTS), model(changed)
    assert before.shape == (2, 5, 7)
    np.testing.assert_allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert (np.abs(before[:, 3:] - after[:, 3:]).max(-1) > 1e-3).all()


@functools.cache
def compiled_cache(graphdef):
    start = jax.jit(lambda state, prompt, length: nnx.merge(graphdef, state).start(prompt, length))
    return start, jax.jit(lambda state, carry, token: nnx.merge(graphdef, state).step(carry, token))


def start_and_step(model):
    """Return the compiled `start` and `step` of a model."""
    graphdef, state = nnx.split(model)
    return (functools.partial(call, state) for call in compiled_cache(graphdef))


@pytest.mark.parametrize("padding", [0, 2])
def test_cache_equals_the_whole_sequence(padding):
    model = make_gpt()
    whole, (start, step) = compiled(model)(TEXTS), start_and_step(model)
    carry, logits = start(np.pad(TEXTS[:, :2], ((0, 0), (0, padding)), constant_values=6), 2)
    np.testing.assert_allclose(logits, whole[:, 1], atol=1e-5)
    for place in range(2, 5):
        carry, logits = step(carry, TEXTS[:, place])
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)
    assert carry.position == 5 and carry.blocks[0][0].shape == (2, 2, 8, 4)


def test_full_cache_gives_nan_and_no_wrong_logits():
    start, step = start_and_step(make_gpt())
    carry, _ = start(np.ones((2, 7), np.int32), 7)
    carry, logits = step(carry, np.ones(2, np.int32))
    assert np.isfinite(logits).all()
    assert np.isnan(step(carry, np.ones(2, np.int32))[1]).all()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones(5, np.int32), r"expected tokens \(B, T\) with T in \[1, 8\], got shape \(5,\)"),
        (np.ones((5, 9), np.int32), r"T in \[1, 8\], got shape \(5, 9\)"),
        (np.ones((5, 2), np.float32), "expected integer tokens, got float32"),
    ],
)
def test_wrong_tokens_are_refused(x, message):
    model = nnx.eval_shape(make_gpt)
    for call in (model, model.start):
        with pytest.raises(ValueError, match=message):
            call(x)


def test_negative_token_is_refused():
    model = make_gpt()
    for call in (model, model.start):
        with pytest.raises(ValueError, match="tokens of 0 or more, got -1"):
            call(np.array([[1, -1]]))


def test_patches_by_hand():
    config = ViTConfig((2, 4, 1), 3, patch_size=2)
    x = jnp.arange(8.0).reshape(1, 2, 4, 1)
    assert split_patches(x, config).tolist() == [[[0, 1, 4, 5], [2, 3, 6, 7]]]


def test_attention_maps_are_those_of_the_forward_pass():
    model, x = make_vit(), make_images(2)["x"]

    @jax.jit
    def by_hand(x):
        patches, maps = model.patches(split_patches(x, model.config)), []
        h = jnp.concatenate([jnp.broadcast_to(model.class_token[...], (2, 1, 8)), patches], 1) + model.positions[...]
        for block in model.blocks:
            maps.append(block.attention.weights(block.attention_norm(h)))
            h = block(h)
        return maps, model.out(model.norm(h))[:, 0]

    maps, (expected, logits) = jax.jit(model.attention_maps)(x), by_hand(x)
    assert maps.shape == (2, 2, 2, 7, 7)
    np.testing.assert_allclose(maps.sum(-1), np.ones((2, 2, 2, 7)), atol=1e-5)
    for number in range(2):
        np.testing.assert_allclose(maps[:, number], expected[number], atol=1e-5)
    np.testing.assert_allclose(compiled(model)(x), logits, atol=1e-5)


def test_vit_knows_where_patches_are():
    model, x = compiled(make_vit()), make_images(2)["x"]
    assert model(x).shape == (2, 3)
    assert np.abs(model(x) - model(np.roll(x, 2, axis=2))).max() > 1e-3


@pytest.mark.parametrize("shape", [(4, 6, 2), (3, 4, 6, 1), (3, 6, 4, 2)])
def test_wrong_images_are_refused(shape):
    model = nnx.eval_shape(make_vit)
    for call in (model, model.attention_maps):
        with pytest.raises(ValueError, match=r"expected a batch of images \(B, 4, 6, 2\), got shape \("):
            call(jnp.ones(shape))


def test_patches_must_fit():
    with pytest.raises(ValueError, match=r"patch_size must divide height and width, got 4 for images \(8, 6, 1\)"):
        ViT(ViTConfig((8, 6, 1), 3, patch_size=4), rngs=make_rngs())


@pytest.mark.parametrize(("make", "x"), [(make_gpt, TEXTS), (make_vit, make_images(2)["x"])], ids=["gpt", "vit"])
def test_dropout_follows_mode_and_key(make, x):
    model = make(dropout=0.5)
    model.train()
    call = jax.jit(lambda key: model(x, nnx.Rngs(key)))
    one, same, other = (call(jax.random.key(seed, impl="rbg")) for seed in (0, 0, 1))
    assert (one == same).all() and (one != other).any()
    with pytest.raises(ValueError, match="rngs"):
        model(x)
    model.eval()
    np.testing.assert_array_equal(compiled(model)(x), compiled(make())(x))


def test_gpt_learns_a_sentence_by_heart():
    model, text = make_gpt(), np.array([1, 2, 1, 3, 1, 4, 1, 5, 0], np.int32)
    arrays = {"x": text[None, :-1], "y": text[None, 1:]}  # what follows 1 is known from the past only
    optimizer = nnx.Optimizer(model, optax.adam(2e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader(arrays, 1, epochs=100), cross_entropy, callbacks=())
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < 0.1


def test_vit_learns_images_by_heart():
    model, arrays = make_vit(), make_images()
    optimizer = nnx.Optimizer(model, optax.adam(1e-2), wrt=nnx.Param)
    history = training.fit(model, optimizer, train_loader(arrays, 6, epochs=60), cross_entropy, callbacks=())
    assert history["accuracy"][-1] == 1 and history["loss"][-1] < 0.1


def test_two_models_under_vmap_equal_each_alone():
    models = [make_gpt(seed=seed) for seed in (0, 1)]
    graphdef, _ = nnx.split(models[0])
    states = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[nnx.state(model) for model in models])
    both = jax.jit(jax.vmap(lambda state: nnx.merge(graphdef, state)(TEXTS)))(states)
    np.testing.assert_allclose(both, jnp.stack([compiled(model)(TEXTS) for model in models]), atol=1e-5)


@pytest.mark.parametrize(
    ("make", "batch"),
    [(make_gpt, {"x": TEXTS, "y": (TEXTS + 1) % 7}), (make_vit, make_images())],
    ids=["gpt", "vit"],
)
def test_bfloat16_gives_nearly_the_same_loss(make, batch):
    graphdef, state = nnx.split(make())

    @jax.jit
    def losses(state, batch):
        return [loss(nnx.merge(graphdef, state), batch)[0] for loss in (cross_entropy, in_bfloat16(cross_entropy))]

    expected, found = losses(state, batch)
    assert found != expected and found == pytest.approx(float(expected), rel=0.05)
