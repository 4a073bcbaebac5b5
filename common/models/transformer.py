"""Transformers: a pre-norm block, a GPT with a key-value cache, a vision transformer."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from .layers import Linear, matmul

POSITION_INIT = nnx.initializers.normal(0.02)  # as in the code of Dosovitskiy et al.
MLP_FACTOR = 4  # the hidden layer of a block is four times as wide (Vaswani et al., 2017)


class SelfAttention(nnx.Module):
    """Multi-head self-attention with the parameters of `nnx.MultiHeadAttention`: the weights of one fit the other.

    Args:
        features: numbers in one token, C.
        heads: number of heads, N; each has D = C / N features.
        rngs: `nnx.Rngs` for the initial weights.

    Raises:
        ValueError: the heads do not divide the features.

    References:
        Vaswani et al. (2017), section 3.2.
    """

    def __init__(self, features: int, heads: int, *, rngs: nnx.Rngs):
        if features % heads:
            raise ValueError(f"heads must divide features, got {features} features and {heads} heads.")
        shape = (heads, features // heads)
        self.query = nnx.LinearGeneral(features, shape, rngs=rngs)
        self.key = nnx.LinearGeneral(features, shape, rngs=rngs)
        self.value = nnx.LinearGeneral(features, shape, rngs=rngs)
        self.out = nnx.LinearGeneral(shape, features, axis=(-2, -1), rngs=rngs)

    def __call__(self, x, mask=None):
        """Let every token read from all tokens that the mask allows.

        Args:
            x: (B, T, C) float array.
            mask: bool, (B or 1, N or 1, T, T), False where query t (axis 2) may not see key s (axis 3); None allows
                all.

        Returns:
            (B, T, C) float array.
        """
        queries, keys, values = self._project(x)
        return self._read(attention_weights(queries, keys, mask), values)

    def weights(self, x, mask=None):
        """Return the attention weights, (B, N, T, T) float; every row sums to 1. Arguments as in a call."""
        queries, keys, _ = self._project(x)
        return attention_weights(queries, keys, mask)

    def extend(self, x, cache, position):
        """Read S new tokens after those whose keys and values are in the cache.

        Args:
            x: (B, S, C) float array.
            cache: (keys, values), each (B, N, context, D).
            position: of the first new token, integer scalar (array); the cache is filled up to there.

        Returns:
            (cache with the new tokens, (B, S, C) float array).
        """
        queries, *new = self._project(x)
        keys, values = (
            jax.lax.dynamic_update_slice_in_dim(old, rows, position, axis=2)
            for old, rows in zip(cache, new, strict=True)
        )
        seen = jnp.arange(keys.shape[2])[None] <= position + jnp.arange(x.shape[1])[:, None]  # (S, context)
        return (keys, values), self._read(attention_weights(queries, keys, seen[None, None]), values)

    def _project(self, x):
        """Return queries, keys and values, (B, N, T, D) each, by one product instead of three."""
        parts, (B, T, C) = (self.query, self.key, self.value), x.shape
        kernel = jnp.concatenate([part.kernel[...].reshape(C, -1) for part in parts], -1)  # (C, 3 N D)
        bias = jnp.concatenate([part.bias[...].reshape(-1) for part in parts])
        x, kernel, bias = self.query.promote_dtype((x, kernel, bias), dtype=self.query.dtype)
        product = matmul(x, kernel) + bias[None, None]
        return product.reshape(B, T, 3, *self.query.kernel.shape[1:]).transpose(2, 0, 3, 1, 4)  # (3, B, N, T, D)

    def _read(self, weights, values):
        return self.out((weights @ values).swapaxes(1, 2))  # (B, N, T, D) to (B, T, N, D) to (B, T, C)


def attention_weights(queries, keys, mask=None):
    """Compute softmax(Q K^T / sqrt(D)), in float32 at least.

    Args:
        queries: (B, N, T, D) float array.
        keys: (B, N, S, D) float array.
        mask: bool, broadcastable to (B, N, T, S) and of its rank, or None; every query must be allowed some key.

    Returns:
        (B, N, T, S) array of the dtype of the queries.

    References:
        Vaswani et al. (2017), equation 1.
    """
    scores = queries / math.sqrt(queries.shape[-1]) @ keys.swapaxes(-1, -2)  # (B, N, T, S)
    scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
    if mask is not None:
        scores = jnp.where(mask, scores, jnp.finfo(scores.dtype).min)
    return jax.nn.softmax(scores).astype(queries.dtype)


def causal_mask(length):
    """Return the mask that lets a token see itself and those before it.

    Args:
        length: number of tokens, T.

    Returns:
        (1, 1, T, T) bool array.
    """
    return jnp.tril(jnp.ones((1, 1, length, length), bool))


class TransformerBlock(nnx.Module):
    """Pre-norm block: x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        features: numbers in one token, C.
        heads: number of attention heads.
        dropout: rate, on the output of attention and of the MLP.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Vaswani et al. (2017), section 3; Xiong et al. (2020) for normalisation in front; Hendrycks and Gimpel (2016)
        for GELU, here by its tanh approximation, as in GPT-2.
    """

    def __init__(self, features: int, heads: int, *, dropout: float = 0.0, rngs: nnx.Rngs):
        self.attention_norm = nnx.LayerNorm(features, rngs=rngs)
        self.attention = SelfAttention(features, heads, rngs=rngs)
        self.mlp_norm = nnx.LayerNorm(features, rngs=rngs)
        self.hidden = Linear(features, MLP_FACTOR * features, rngs=rngs)
        self.out = Linear(MLP_FACTOR * features, features, rngs=rngs)
        self.dropout = nnx.Dropout(dropout)

    def __call__(self, x, rngs=None, mask=None):
        """Return the next representation of every token.

        Args:
            x: (B, T, C) float array.
            rngs: `nnx.Rngs` for dropout in training mode, or None.
            mask: as in `SelfAttention`, for instance `causal_mask(T)`; None: every token sees all.

        Returns:
            (B, T, C) float array.
        """
        x = x + self.dropout(self.attention(self.attention_norm(x), mask), rngs=rngs)
        return x + self.dropout(self._mlp(x), rngs=rngs)

    def attention_weights(self, x, mask=None):
        """Return what the block attends to, (B, heads, T, T) float; arguments as in a call."""
        return self.attention.weights(self.attention_norm(x), mask)

    def extend(self, x, cache, position):
        """Return (cache, (B, S, C)) for S new tokens, causally and without dropout; see `SelfAttention.extend`."""
        cache, read = self.attention.extend(self.attention_norm(x), cache, position)
        x = x + read
        return cache, x + self._mlp(x)

    def _mlp(self, x):
        return self.out(nnx.gelu(self.hidden(self.mlp_norm(x))))


@dataclass(frozen=True)
class GPTConfig:
    """Sizes of a `GPT`.

    Attributes:
        vocabulary_size: V; tokens are integers in [0, V).
        context: the most tokens that the model can read.
        features: numbers in one token, C.
        heads: attention heads in a block, N; they divide the features.
        blocks: number of blocks, L.
        dropout: rate, on embeddings and on every block's two outputs.
    """

    vocabulary_size: int
    context: int
    features: int = 128
    heads: int = 4
    blocks: int = 4
    dropout: float = 0.0


class Cache(NamedTuple):
    """What a GPT keeps of the tokens that it has read.

    Attributes:
        blocks: tuple of L pairs (keys, values), each (B, N, context, D); places from `position` on do not count.
        position: of the next token, int32 scalar.
    """

    blocks: tuple
    position: jax.Array


class GPT(nnx.Module):
    """Causal language model: token and position embeddings, blocks, normalisation, logits by the token embedding.

    Args:
        config: `GPTConfig`.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Radford et al. (2019), GPT-2; Press and Wolf (2017) for logits from the embedding. Deviations: Flax's
        initial weights (a small network learns faster from them than from N(0, 0.02)), no dropout on attention weights.
    """

    def __init__(self, config: GPTConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.tokens = nnx.Embed(config.vocabulary_size, config.features, rngs=rngs)
        self.positions = nnx.Embed(config.context, config.features, rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout)
        self.blocks = _make_blocks(config, rngs)
        self.norm = nnx.LayerNorm(config.features, rngs=rngs)

    @property
    def context(self):
        """The most tokens that the model can read (see `generation.LanguageModel`)."""
        return self.config.context

    def __call__(self, x, rngs=None):
        """Return logits of the next token at every place.

        Args:
            x: (B, T) integers in [0, V), T at most `context`; a token out of range makes logits NaN.
            rngs: `nnx.Rngs` for dropout in training mode, or None.

        Returns:
            (B, T, V) float array; those at place t depend on x[:, :t + 1] only.

        Raises:
            ValueError: x is not (B, T) with 1 <= T <= context, or does not hold integers.
        """
        _check_tokens(x, self.context)
        h = self.dropout(self._embed(x, 0), rngs=rngs)
        mask = causal_mask(x.shape[1])
        for block in self.blocks:
            h = block(h, rngs, mask)
        return self.tokens.attend(self.norm(h))

    def start(self, prompt, prompt_length=None):
        """Read a prompt in one call; see `generation.LanguageModel`.

        Args:
            prompt: (B, P) integers in [0, V), P at most `context`.
            prompt_length: how many of the P tokens count, an integer or a scalar array; None: all.

        Returns:
            (`Cache`, logits (B, V) after the last token that counts).

        Raises:
            ValueError: as in a call.
        """
        _check_tokens(prompt, self.context)
        B, P = prompt.shape
        length = jnp.asarray(P if prompt_length is None else prompt_length, jnp.int32)
        shape = (B, self.config.heads, self.context, self.config.features // self.config.heads)
        empty = jnp.zeros(shape, self.tokens.dtype)
        cache = Cache(((empty, empty),) * self.config.blocks, jnp.int32(0))
        cache, h = self._extend(cache, prompt)
        last = jax.lax.dynamic_index_in_dim(h, length - 1, axis=1, keepdims=False)  # (B, C)
        return cache._replace(position=length), self.tokens.attend(last)

    def step(self, carry, token):
        """Read one more token at the cost of one, not of all before it.

        Args:
            carry: `Cache`, not full; beyond the context the logits are NaN.
            token: (B,) integers in [0, V).

        Returns:
            (`Cache`, logits (B, V)), those of a call on all tokens so far.
        """
        cache, h = self._extend(carry, token[:, None])
        return cache, self.tokens.attend(h[:, 0])

    def _extend(self, cache, tokens):
        h = self._embed(tokens, cache.position)
        pairs = []
        for block, pair in zip(self.blocks, cache.blocks, strict=True):
            pair, h = block.extend(h, pair, cache.position)
            pairs.append(pair)
        return Cache(tuple(pairs), cache.position + tokens.shape[1]), self.norm(h)

    def _embed(self, tokens, position):
        places = position + jnp.arange(tokens.shape[1])[None]  # (1, S)
        return self.tokens(tokens) + self.positions(places)  # (B, S, C)


@dataclass(frozen=True)
class ViTConfig:
    """Sizes of a `ViT`.

    Attributes:
        image_shape: (H, W, C) of one image.
        class_count: number of logits, K.
        patch_size: side of a square patch; it divides H and W.
        features: numbers in one token.
        heads: attention heads in a block; they divide the features.
        blocks: number of blocks, L.
        dropout: rate, on embeddings and on every block's two outputs.
    """

    image_shape: tuple[int, int, int]
    class_count: int
    patch_size: int = 4
    features: int = 64
    heads: int = 4
    blocks: int = 4
    dropout: float = 0.0


class ViT(nnx.Module):
    """Vision transformer: patches as tokens behind a class token, learned positions, blocks; logits of that token.

    Args:
        config: `ViTConfig`.
        rngs: `nnx.Rngs` for the initial weights.

    Raises:
        ValueError: the patch size does not divide height and width.

    References:
        Dosovitskiy et al. (2021), equations 1 to 4.
    """

    def __init__(self, config: ViTConfig, *, rngs: nnx.Rngs):
        height, width, channels = config.image_shape
        size, features = config.patch_size, config.features
        if height % size or width % size:
            raise ValueError(f"patch_size must divide height and width, got {size} for images {config.image_shape}.")
        self.config = config
        self.patches = nnx.Linear(size * size * channels, features, rngs=rngs)
        self.class_token = nnx.Param(jnp.zeros((1, 1, features)))
        count = 1 + (height // size) * (width // size)  # the class token is number 0
        self.positions = nnx.Param(POSITION_INIT(rngs.params(), (1, count, features)))
        self.dropout = nnx.Dropout(config.dropout)
        self.blocks = _make_blocks(config, rngs)
        self.norm = nnx.LayerNorm(features, rngs=rngs)
        self.out = nnx.Linear(features, config.class_count, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits.

        Args:
            x: (B, H, W, C) float array of the given image shape.
            rngs: `nnx.Rngs` for dropout in training mode, or None.

        Returns:
            (B, K) float array.

        Raises:
            ValueError: x is not a batch of such images.
        """
        h = self.dropout(self._embed(x), rngs=rngs)
        for block in self.blocks:
            h = block(h, rngs)
        return self.out(self.norm(h[:, 0]))

    def attention_maps(self, x):
        """Return what every token attends to, in every block, without dropout in front of it (call `model.eval()`).

        Args:
            x: (B, H, W, C) float array of the given image shape.

        Returns:
            (B, L, heads, T, T) float array with T = 1 + patches; `[:, :, :, 0, 1:]`, reshaped to rows and columns of
            patches, is where the class token looks.

        Raises:
            ValueError: x is not a batch of such images.
        """
        h, maps = self._embed(x), []
        for block in self.blocks:
            maps.append(block.attention_weights(h))
            h = block(h)
        return jnp.stack(maps, axis=1)

    def _embed(self, x):
        tokens = self.patches(split_patches(x, self.config))  # (B, patches, features)
        first = jnp.broadcast_to(self.class_token[...], (x.shape[0], 1, tokens.shape[-1]))
        return jnp.concatenate([first, tokens], axis=1) + self.positions[...]


def split_patches(x, config):
    """Cut images into patches, row by row.

    Args:
        x: (B, H, W, C) array of the shape in the configuration.
        config: `ViTConfig`.

    Returns:
        (B, (H / size) * (W / size), size * size * C) array.

    Raises:
        ValueError: x is not a batch of such images.
    """
    if x.ndim != 4 or x.shape[1:] != tuple(config.image_shape):
        raise ValueError(f"expected a batch of images (B, {str(tuple(config.image_shape))[1:]}, got shape {x.shape}.")
    B, H, W, C = x.shape
    size = config.patch_size
    x = x.reshape(B, H // size, size, W // size, size, C).swapaxes(2, 3)  # (B, rows, columns, size, size, C)
    return x.reshape(B, -1, size * size * C)


def _make_blocks(config, rngs):
    blocks = [
        TransformerBlock(config.features, config.heads, dropout=config.dropout, rngs=rngs) for _ in range(config.blocks)
    ]
    return nnx.List(blocks)


def _check_tokens(x, context):
    if x.ndim != 2 or not 1 <= x.shape[1] <= context:
        raise ValueError(f"expected tokens (B, T) with T in [1, {context}], got shape {x.shape}.")
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise ValueError(f"expected integer tokens, got {x.dtype}; the losses take uint8 for images: use int32.")
    if not isinstance(x, jax.Array) and (x < 0).any():  # values of an array of JAX may not be known here
        raise ValueError(f"expected tokens of 0 or more, got {x.min()}, which would be read from the end of the table.")
