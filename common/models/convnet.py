"""Convolutional networks: a small CNN, LeNet-5, VGG and ResNet."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from flax import nnx

from . import layers

MOMENTUM = 0.9  # of the running statistics: at Flax's 0.99 they would lag behind in a run of a few hundred steps


class CNN(nnx.Module):
    """3x3 convolutions, each with ReLU and 2x2 max pooling, then two linear layers.

    Args:
        image_shape: (H, W, C) of one image.
        class_count: number of logits, K.
        channels: output channels of each convolution.
        hidden_features: width of the first linear layer.
        rngs: `nnx.Rngs` for the initial weights.

    Raises:
        ValueError: the image is too small for so many poolings.

    Example:
        `CNN((28, 28, 1), 10, rngs=nnx.Rngs(0))` maps (B, 28, 28, 1) to logits (B, 10).
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        class_count: int,
        *,
        channels: Sequence[int] = (32, 64),
        hidden_features: int = 128,
        rngs: nnx.Rngs,
    ):
        self.image_shape = height, width, in_channels = tuple(image_shape)
        height, width = height // 2 ** len(channels), width // 2 ** len(channels)  # every pooling halves
        if height * width == 0:
            raise ValueError(f"expected images of at least 2**{len(channels)} pixels a side, got {self.image_shape}.")
        pairs = itertools.pairwise((in_channels, *channels))
        self.convolutions = nnx.List([nnx.Conv(*pair, (3, 3), rngs=rngs) for pair in pairs])
        self.hidden = nnx.Linear(height * width * (in_channels, *channels)[-1], hidden_features, rngs=rngs)
        self.out = nnx.Linear(hidden_features, class_count, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits.

        Args:
            x: (B, H, W, C) float array of the given image shape.
            rngs: not used; every model of the course takes it.

        Returns:
            (B, K) float array.

        Raises:
            ValueError: x is not a batch of such images.
        """
        _check_images(x, self.image_shape)
        for convolution in self.convolutions:
            x = layers.max_pool(nnx.relu(convolution(x)), (2, 2), strides=(2, 2))
        x = x.reshape(x.shape[0], -1)  # (B, H*W*C)
        return self.out(nnx.relu(self.hidden(x)))


class LeNet5(nnx.Module):
    """LeNet-5 for 28x28 grey images: two convolutions with average pooling, three linear layers, tanh.

    Args:
        class_count: number of logits, K.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        LeCun, Bottou, Bengio and Haffner (1998), section II.B. Sizes are theirs: padding by 2 gives their 32x32 input.
        Simplified: plain tanh instead of 1.7159 tanh(2x/3); pooling without trainable factor, bias and sigmoid; the
        second convolution sees all six maps instead of a table of them; linear logits instead of radial basis units.
    """

    def __init__(self, class_count: int, *, rngs: nnx.Rngs):
        self.convolution1 = nnx.Conv(1, 6, (5, 5), padding=2, rngs=rngs)
        self.convolution2 = nnx.Conv(6, 16, (5, 5), padding="VALID", rngs=rngs)
        self.hidden1 = nnx.Linear(5 * 5 * 16, 120, rngs=rngs)
        self.hidden2 = nnx.Linear(120, 84, rngs=rngs)
        self.out = nnx.Linear(84, class_count, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits.

        Args:
            x: (B, 28, 28, 1) float array.
            rngs: not used.

        Returns:
            (B, K) float array.

        Raises:
            ValueError: x is not a batch of such images.
        """
        _check_images(x, (28, 28, 1))
        h = _halve(nnx.tanh(self.convolution1(x)))  # (B, 14, 14, 6)
        h = _halve(nnx.tanh(self.convolution2(h)))  # (B, 5, 5, 16)
        h = nnx.tanh(self.hidden1(h.reshape(h.shape[0], -1)))
        return self.out(nnx.tanh(self.hidden2(h)))


class ConvNorm(nnx.Module):
    """A convolution without bias, then batch normalisation, whose own bias makes another one useless.

    Args:
        in_channels: channels of the input, C.
        channels: channels of the output, D.
        kernel_size: side of the square window; an odd number.
        strides: pixels from one window to the next.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Ioffe and Szegedy (2015).
    """

    def __init__(self, in_channels: int, channels: int, *, kernel_size: int = 3, strides: int = 1, rngs: nnx.Rngs):
        window, padding = (kernel_size, kernel_size), kernel_size // 2  # windows centred at pixels 0, strides, ...
        self.convolution = nnx.Conv(
            in_channels, channels, window, strides=strides, padding=padding, use_bias=False, rngs=rngs
        )
        self.norm = nnx.BatchNorm(channels, momentum=MOMENTUM, rngs=rngs)

    def __call__(self, x):
        """Return (B, H / strides, W / strides, D), sizes rounded up, for x: (B, H, W, C) float."""
        return self.norm(self.convolution(x))


class VGG(nnx.Module):
    """Blocks of 3x3 convolution, batch normalisation and ReLU, each ended by 2x2 max pooling; mean, linear layer.

    Args:
        in_channels: channels of the images, C.
        class_count: number of logits, K.
        blocks: (number of convolutions, channels) of each block.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Simonyan and Zisserman (2015). Deviations: batch normalisation, and the mean over all pixels (Lin et al., 2014)
        instead of two hidden linear layers, so that any image size from 2**blocks on will do.
    """

    def __init__(
        self,
        in_channels: int,
        class_count: int,
        *,
        blocks: Sequence[tuple[int, int]] = ((2, 32), (2, 64)),
        rngs: nnx.Rngs,
    ):
        self.in_channels = in_channels
        self.blocks = nnx.List()
        for count, channels in blocks:
            sizes = (in_channels, *[channels] * count)
            self.blocks.append(nnx.List([ConvNorm(*pair, rngs=rngs) for pair in itertools.pairwise(sizes)]))
            in_channels = channels
        self.out = nnx.Linear(in_channels, class_count, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits.

        Args:
            x: (B, H, W, C) float array.
            rngs: not used.

        Returns:
            (B, K) float array.

        Raises:
            ValueError: x is not a batch of images with C channels, or too small for so many poolings.
        """
        _check_images(x, (None, None, self.in_channels))
        if min(x.shape[1:3]) < 2 ** len(self.blocks):
            raise ValueError(f"expected images of at least 2**{len(self.blocks)} pixels a side, got shape {x.shape}.")
        for block in self.blocks:
            for layer in block:
                x = nnx.relu(layer(x))
            x = layers.max_pool(x, (2, 2), strides=(2, 2))
        return self.out(x.mean((1, 2)))  # the mean: (B, channels)


class ResidualBlock(nnx.Module):
    """Two convolutions beside a shortcut: relu(f(x) + x).

    Where f changes the shape, the shortcut is a 1x1 convolution with batch normalisation (option B of the paper).

    Args:
        in_channels: channels of the input, C.
        channels: channels of the output, D.
        strides: of the first convolution.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        He, Zhang, Ren and Sun (2016), Deep Residual Learning for Image Recognition, equations 1 and 2.
    """

    def __init__(self, in_channels: int, channels: int, *, strides: int = 1, rngs: nnx.Rngs):
        self.inner = ConvNorm(in_channels, channels, strides=strides, rngs=rngs)
        self.outer = ConvNorm(channels, channels, rngs=rngs)
        same_shape = in_channels == channels and strides == 1
        projection = {"kernel_size": 1, "strides": strides, "rngs": rngs}
        self.shortcut = None if same_shape else ConvNorm(in_channels, channels, **projection)

    def __call__(self, x):
        """Return (B, H / strides, W / strides, D), sizes rounded up, for x: (B, H, W, C) float."""
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return nnx.relu(self.outer(nnx.relu(self.inner(x))) + shortcut)


@dataclass(frozen=True)
class ResNetConfig:
    """Sizes of a `ResNet`.

    Attributes:
        in_channels: channels of the images, C.
        class_count: number of logits, K.
        channels: of each stage; every stage but the first halves height and width.
        blocks: residual blocks in a stage, n; with three stages the network has 6n + 2 layers with weights.
        stem_strides: 2 makes all that follows four times cheaper, 1 is the paper's choice for 32x32 images.
    """

    in_channels: int
    class_count: int
    channels: tuple[int, ...] = (16, 32, 64)
    blocks: int = 1
    stem_strides: int = 1


class ResNet(nnx.Module):
    """A convolution, stages of residual blocks, the mean over all pixels, a linear layer.

    Args:
        config: `ResNetConfig`.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        He, Zhang, Ren and Sun (2016), section 4.2, with projections where the shape changes (theirs pads with zeros).
    """

    def __init__(self, config: ResNetConfig, *, rngs: nnx.Rngs):
        self.config = config
        channels = config.channels[0]
        self.stem = ConvNorm(config.in_channels, channels, strides=config.stem_strides, rngs=rngs)
        self.blocks = nnx.List()
        for stage, out_channels in enumerate(config.channels):
            for number in range(config.blocks):
                strides = 2 if stage > 0 and number == 0 else 1
                self.blocks.append(ResidualBlock(channels, out_channels, strides=strides, rngs=rngs))
                channels = out_channels
        self.out = nnx.Linear(channels, config.class_count, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits.

        Args:
            x: (B, H, W, C) float array.
            rngs: not used.

        Returns:
            (B, K) float array.

        Raises:
            ValueError: x is not a batch of images with C channels.
        """
        return self.out(self.features(x).mean((1, 2)))  # the mean: (B, channels)

    def features(self, x):
        """Return the last feature maps, (B, h, w, channels), for x as in a call: what Grad-CAM needs."""
        _check_images(x, (None, None, self.config.in_channels))
        h = nnx.relu(self.stem(x))
        for block in self.blocks:
            h = block(h)
        return h


def _halve(x):
    return nnx.avg_pool(x, (2, 2), strides=(2, 2))


def _check_images(x, shape):
    """Raise ValueError unless x is a batch of images of `shape` (H, W, C), None where any size will do."""
    fits = jnp.ndim(x) == 4 and all(wanted in (None, size) for wanted, size in zip(shape, x.shape[1:], strict=True))
    if not fits:
        names = [letter if size is None else str(size) for letter, size in zip("HWC", shape, strict=True)]
        raise ValueError(f"expected a batch of images (B, {', '.join(names)}), got shape {x.shape}.")
