"""The workloads as the documentation of Flax NNX writes them: its own layers, `nnx.jit`, `nnx.value_and_grad`.

The attributes have the names of those in `common.models`, so that one model's weights fit the other.
"""

import itertools

import jax.numpy as jnp
import optax
from flax import nnx


class MLP(nnx.Module):
    """Linear layers with an activation function between them."""

    def __init__(self, sizes, rngs):
        self.layers = nnx.List([nnx.Linear(*pair, rngs=rngs) for pair in itertools.pairwise(sizes)])

    def __call__(self, x, activation=nnx.relu):
        x = x.reshape(x.shape[0], -1)
        for layer in self.layers[:-1]:
            x = activation(layer(x))
        return self.layers[-1](x)


class CNN(nnx.Module):
    """Two 3x3 convolutions with pooling, two linear layers: the network of Flax's MNIST tutorial."""

    def __init__(self, rngs):
        self.convolutions = nnx.List([nnx.Conv(1, 32, (3, 3), rngs=rngs), nnx.Conv(32, 64, (3, 3), rngs=rngs)])
        self.hidden, self.out = nnx.Linear(7 * 7 * 64, 128, rngs=rngs), nnx.Linear(128, 10, rngs=rngs)

    def __call__(self, x):
        for convolution in self.convolutions:
            x = nnx.max_pool(nnx.relu(convolution(x)), window_shape=(2, 2), strides=(2, 2))
        return self.out(nnx.relu(self.hidden(x.reshape(x.shape[0], -1))))


class CharacterModel(nnx.Module):
    """Embedding, LSTM over the sequence, logits."""

    def __init__(self, vocabulary_size, features, hidden_features, rngs):
        self.embed = nnx.Embed(vocabulary_size, features, rngs=rngs)
        self.rnn = nnx.RNN(nnx.OptimizedLSTMCell(features, hidden_features, rngs=rngs), rngs=rngs)
        self.out = nnx.Linear(hidden_features, vocabulary_size, rngs=rngs)

    def __call__(self, x):
        return self.out(self.rnn(self.embed(x)))


class Generator(nnx.Module):
    """Noise to 28x28 images by transposed convolutions."""

    def __init__(self, rngs):
        window = {"kernel_size": (4, 4), "strides": (2, 2), "rngs": rngs}
        self.project = nnx.Linear(64, 7 * 7 * 128, use_bias=False, rngs=rngs)
        self.norms = nnx.List([nnx.BatchNorm(count, momentum=0.9, rngs=rngs) for count in (128, 64)])
        self.layers = nnx.List([nnx.ConvTranspose(128, 64, use_bias=False, **window)])
        self.last = nnx.ConvTranspose(64, 1, **window)

    def __call__(self, z):
        h = nnx.relu(self.norms[0](self.project(z).reshape(-1, 7, 7, 128)))
        h = nnx.relu(self.norms[1](self.layers[0](h)))
        return jnp.tanh(self.last(h))


class Discriminator(nnx.Module):
    """28x28 images to a logit by strided convolutions."""

    def __init__(self, rngs):
        window = {"kernel_size": (4, 4), "strides": (2, 2), "rngs": rngs}
        self.first = nnx.Conv(1, 64, **window)
        self.layers = nnx.List([nnx.Conv(64, 128, use_bias=False, **window)])
        self.norms = nnx.List([nnx.BatchNorm(128, momentum=0.9, rngs=rngs)])
        self.last = nnx.Linear(7 * 7 * 128, 1, rngs=rngs)

    def __call__(self, x):
        h = nnx.leaky_relu(self.first(x), 0.2)
        h = nnx.leaky_relu(self.norms[0](self.layers[0](h)), 0.2)
        return self.last(h.reshape(h.shape[0], -1))[:, 0]


class Block(nnx.Module):
    """Pre-norm transformer block."""

    def __init__(self, features, heads, rngs):
        self.attention_norm, self.mlp_norm = nnx.LayerNorm(features, rngs=rngs), nnx.LayerNorm(features, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, features, decode=False, rngs=rngs)
        self.hidden = nnx.Linear(features, 4 * features, rngs=rngs)
        self.out = nnx.Linear(4 * features, features, rngs=rngs)

    def __call__(self, x, mask):
        x = x + self.attention(self.attention_norm(x), mask=mask)
        return x + self.out(nnx.gelu(self.hidden(self.mlp_norm(x))))


class GPT(nnx.Module):
    """Causal transformer with logits by the token embedding."""

    def __init__(self, config, rngs):
        self.tokens = nnx.Embed(config.vocabulary_size, config.features, rngs=rngs)
        self.positions = nnx.Embed(config.context, config.features, rngs=rngs)
        self.blocks = nnx.List([Block(config.features, config.heads, rngs) for _ in range(config.blocks)])
        self.norm = nnx.LayerNorm(config.features, rngs=rngs)

    def __call__(self, x):
        h = self.tokens(x) + self.positions(jnp.arange(x.shape[1]))[None]
        mask = nnx.make_causal_mask(x)
        for block in self.blocks:
            h = block(h, mask)
        return self.tokens.attend(self.norm(h))


class ConvNorm(nnx.Module):
    """Convolution and batch normalisation."""

    def __init__(self, in_channels, channels, size, strides, rngs):
        window, padding = (size, size), size // 2
        self.convolution = nnx.Conv(
            in_channels, channels, window, strides=strides, padding=padding, use_bias=False, rngs=rngs
        )
        self.norm = nnx.BatchNorm(channels, momentum=0.9, rngs=rngs)

    def __call__(self, x):
        return self.norm(self.convolution(x))


class ResidualBlock(nnx.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, in_channels, channels, strides, rngs):
        self.inner = ConvNorm(in_channels, channels, 3, strides, rngs)
        self.outer = ConvNorm(channels, channels, 3, 1, rngs)
        self.shortcut = None if in_channels == channels else ConvNorm(in_channels, channels, 1, strides, rngs)

    def __call__(self, x):
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return nnx.relu(self.outer(nnx.relu(self.inner(x))) + shortcut)


class ResNet(nnx.Module):
    """Three stages of one residual block each, for 28x28 grey images."""

    def __init__(self, rngs):
        self.stem = ConvNorm(1, 16, 3, 1, rngs)
        sizes = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
        self.blocks = nnx.List([ResidualBlock(*size, rngs) for size in sizes])
        self.out = nnx.Linear(64, 10, rngs=rngs)

    def __call__(self, x):
        h = nnx.relu(self.stem(x))
        for block in self.blocks:
            h = block(h)
        return self.out(h.mean((1, 2)))


class ConditionedBlock(nnx.Module):
    """Residual block of the U-Net, scaled and shifted by the condition."""

    def __init__(self, features, condition, rngs):
        self.norms = nnx.List([nnx.GroupNorm(features, 8, rngs=rngs) for _ in range(2)])
        self.convs = nnx.List([nnx.Conv(features, features, (3, 3), rngs=rngs) for _ in range(2)])
        self.condition = nnx.Linear(condition, 2 * features, rngs=rngs)

    def __call__(self, x, condition):
        h = self.convs[0](nnx.silu(self.norms[0](x)))
        scale, shift = jnp.split(self.condition(nnx.silu(condition))[:, None, None, :], 2, axis=-1)
        return x + self.convs[1](nnx.silu(self.norms[1](h) * (1 + scale) + shift))


class UNet(nnx.Module):
    """U-Net of three sizes that predicts the noise in 28x28 grey images."""

    def __init__(self, rngs):
        self.time = MLP((64, 64, 64), rngs)
        self.first = nnx.Conv(1, 16, (3, 3), rngs=rngs)
        self.down = nnx.List([ConditionedBlock(n, 64, rngs) for n in (16, 32)])
        shrinks = ((16, 32), (32, 64))
        self.shrink = nnx.List([nnx.Conv(*pair, (3, 3), strides=(2, 2), rngs=rngs) for pair in shrinks])
        self.middle = nnx.List([ConditionedBlock(64, 64, rngs) for _ in range(2)])
        grows = ((64, 32), (32, 16))
        self.grow = nnx.List([nnx.ConvTranspose(*pair, (4, 4), strides=(2, 2), rngs=rngs) for pair in grows])
        self.up = nnx.List([ConditionedBlock(n, 64, rngs) for n in (32, 16)])
        self.norm = nnx.GroupNorm(16, 8, rngs=rngs)
        self.share = nnx.Linear(64, 1, rngs=rngs)
        self.last = nnx.Conv(16, 1, (3, 3), rngs=rngs)

    def __call__(self, x, t):
        angles = t[:, None] * 10_000.0 ** -(jnp.arange(32) / 32)[None]
        condition = self.time(jnp.concatenate([jnp.sin(angles), jnp.cos(angles)], axis=-1), nnx.silu)
        h, skips = self.first(x), []
        for block, shrink in zip(self.down, self.shrink, strict=True):
            h = block(h, condition)
            skips.append(h)
            h = shrink(h)
        for block in self.middle:
            h = block(h, condition)
        for grow, block in zip(self.grow, self.up, strict=True):
            h = block(grow(h) + skips.pop(), condition)
        return self.share(nnx.silu(condition))[:, None, None, :] * x + self.last(nnx.silu(self.norm(h)))


@nnx.jit
def train_step(model, optimizer, batch):
    """Take one step of classification (or next-token prediction); return the loss."""

    def loss_fn(model):
        logits = model(batch["x"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["y"]).mean()

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(model, grads)
    return loss


@nnx.jit
def gan_step(models, optimizers, batch):
    """Take one step of discriminator and generator, both from the same generated images; return the sum of losses."""
    generator, discriminator = models

    def discriminator_loss(discriminator, fake):
        return (nnx.softplus(-discriminator(batch["x"])) + nnx.softplus(discriminator(fake))).mean()

    def generator_loss(generator, discriminator):
        return nnx.softplus(-discriminator(generator(batch["z"]))).mean()

    fake = generator(batch["z"])
    d_loss, d_grads = nnx.value_and_grad(discriminator_loss)(discriminator, fake)
    g_loss, g_grads = nnx.value_and_grad(generator_loss)(generator, discriminator)
    optimizers[0].update(generator, g_grads)
    optimizers[1].update(discriminator, d_grads)
    return d_loss + g_loss


@nnx.jit
def diffusion_step(model, optimizer, batch):
    """Take one step of predicting the noise in images; return the mean squared error."""

    def loss_fn(model):
        share = batch["alpha_bar"][:, None, None, None]
        noisy = jnp.sqrt(share) * batch["x"] + jnp.sqrt(1 - share) * batch["noise"]
        return jnp.mean((model(noisy, batch["t"]) - batch["noise"]) ** 2)

    loss, grads = nnx.value_and_grad(loss_fn)(model)
    optimizer.update(model, grads)
    return loss
