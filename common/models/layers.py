"""Drop-in layers with the parameters and the numbers of Flax NNX, faster where XLA is slow on a CPU.

Recurrent layers are in `recurrent.py` and re-exported here. What a layer gains, `make bench` measures. Gradients are
written out by hand (`jax.custom_vjp`), so that forward-mode differentiation of the layers, `jax.jvp`, is missing; that
of their gradients works.
"""

import functools
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from .recurrent import RNN

__all__ = ["RNN", "ConvTranspose", "Linear", "max_pool"]

LARGEST_WINDOW = 16  # places in a window with a gradient of its own, which makes one slice of the input for each


class Linear(nnx.Linear):
    """`nnx.Linear` whose weight gradient is one product of matrices, x^T dy.

    JAX computes the same numbers as (dy^T x)^T, and on a CPU dy, which in a layer that widens is the larger of the two,
    is copied into transposed order first.
    """

    def __call__(self, inputs):
        """Apply the layer.

        Args:
            inputs: (..., C_in).

        Returns:
            (..., C_out).
        """
        if not _is_default_arithmetic(self) or self.dot_general is not lax.dot_general:
            return super().__call__(inputs)
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype((inputs, self.kernel[...], bias), dtype=self.dtype)
        y = matmul(inputs, kernel)
        return y if bias is None else y + jnp.expand_dims(bias, range(y.ndim - 1))


def _is_default_arithmetic(layer):
    """Tell whether a layer leaves the precision of its products, and their type, to JAX."""
    return layer.precision is None and layer.preferred_element_type is None


@jax.custom_vjp
def matmul(x, kernel):
    """Multiply the last axis of x with a matrix.

    Args:
        x: (..., C).
        kernel: (C, D).

    Returns:
        (..., D).
    """
    return x @ kernel


def _matmul_forward(x, kernel):
    return x @ kernel, (x, kernel)


def _matmul_backward(residuals, dy):
    x, kernel = residuals
    rows, dy_rows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    return (dy_rows @ kernel.T).reshape(x.shape), rows.T @ dy_rows


matmul.defvjp(_matmul_forward, _matmul_backward)


def max_pool(inputs, window_shape, strides=None, padding="VALID"):
    """Take the maximum of every window, as `nnx.max_pool` does.

    Where windows of at most 16 places touch without overlapping, the gradient has a path of its own on CPUs, since
    XLA's searches every window once more, slowly. A mask says which pixel of its window each pixel is, and whether it
    is the maximum; of equal maxima the first gets the gradient, as in NNX.

    Args:
        inputs: (B, spatial axes..., C).
        window_shape: sizes of the window, one a spatial axis.
        strides: steps between windows; None takes 1 everywhere, as NNX does.
        padding: "VALID", "SAME" or a sequence of (low, high).

    Returns:
        (B, smaller spatial axes..., C).
    """
    touching = strides is not None and tuple(strides) == tuple(window_shape) and padding == "VALID"
    if not touching or inputs.ndim != len(window_shape) + 2 or math.prod(window_shape) > LARGEST_WINDOW:
        return nnx.max_pool(inputs, window_shape, strides=strides, padding=padding)
    kept = [slice(size // window * window) for size, window in zip(inputs.shape[1:], window_shape, strict=False)]
    return _max_of_windows(inputs[(slice(None), *kept)], tuple(window_shape))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_of_windows(x, window):
    slices = functools.partial(_max_of_slices, window=window)
    return lax.platform_dependent(x, cpu=slices, default=functools.partial(_plain_max, window=window))


def _max_of_slices(x, window):
    return functools.reduce(jnp.maximum, _window_parts(x, window))


def _plain_max(x, window):
    return nnx.max_pool(x, window, strides=window)


def _max_of_windows_forward(x, window):
    return _max_of_windows(x, window), x


def _max_of_windows_backward(window, x, dy):
    def masked(x, dy):
        first, *others = _window_parts(x, window)
        start = (first, jnp.zeros(first.shape, jnp.int8))
        _, index = functools.reduce(_first_maximum, enumerate(others, start=1), start)
        chosen = _expand(index, window) == _window_numbers(window)
        return jnp.where(chosen, _expand(dy, window), 0).reshape(x.shape)

    def plain(x, dy):
        return jax.vjp(functools.partial(_plain_max, window=window), x)[1](dy)[0]

    return (lax.platform_dependent(x, dy, cpu=masked, default=plain),)


_max_of_windows.defvjp(_max_of_windows_forward, _max_of_windows_backward)


def _first_maximum(found, numbered_part):
    """Compare one more place of every window with the best so far; return (value, number of its place)."""
    (best, index), (number, part) = found, numbered_part
    return jnp.maximum(best, part), jnp.where(part > best, jnp.int8(number), index)


def _window_parts(x, window):
    """Return one strided slice of x for every place in the window, row by row."""
    places = [range(size) for size in window]
    starts = functools.reduce(lambda paths, place: [(*path, at) for path in paths for at in place], places, [()])
    return [
        x[(slice(None), *(slice(at, None, size) for at, size in zip(start, window, strict=True)))] for start in starts
    ]


def _expand(y, window):
    """Give (B, H/h, W/w, C) axes of length 1 for the places in a window: (B, H/h, 1, W/w, 1, C)."""
    return jnp.expand_dims(y, tuple(range(2, 2 * len(window) + 1, 2)))


def _window_numbers(window):
    """Number the places of a window row by row: (1, 1, h, 1, w, 1)."""
    numbers = jnp.arange(math.prod(window), dtype=jnp.int8).reshape(window)
    return jnp.expand_dims(numbers, [0, *range(1, 2 * len(window), 2), 2 * len(window) + 1])


class ConvTranspose(nnx.ConvTranspose):
    """`nnx.ConvTranspose`, faster in the backward pass on CPUs.

    A transposed convolution is the adjoint of an ordinary strided one: what takes an image to its features there takes
    the features' gradient to the image here. So its two gradients are those of the ordinary convolution with the parts
    exchanged, which XLA knows how to run fast; differentiated as written they become convolutions with holes.
    """

    def __call__(self, inputs):
        """Apply the layer.

        Args:
            inputs: (B, H, W, C_in); other numbers of axes are left to NNX.

        Returns:
            (B, H', W', C_out).
        """
        usual = self.mask is None and not self.transpose_kernel and self.padding in ("SAME", "VALID")
        usual &= _is_default_arithmetic(self) and _pair(self.kernel_dilation) == (1, 1)
        if inputs.ndim != 4 or not usual:
            return super().__call__(inputs)
        bias = None if self.bias is None else self.bias[...]
        inputs, kernel, bias = self.promote_dtype((inputs, self.kernel[...], bias), dtype=self.dtype)
        y = conv_transpose(inputs, kernel, _pair(self.strides), self.padding)
        return y if bias is None else y + bias[None, None, None]


def _pair(setting):
    """Return a pair for one integer, a sequence or None (1), as NNX takes them."""
    return (setting or 1,) * 2 if setting is None or isinstance(setting, int) else tuple(setting)


def _plain_conv_transpose(x, kernel, strides, padding):
    return lax.conv_transpose(x, kernel, strides, padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def conv_transpose(x, kernel, strides, padding):
    """Compute a transposed convolution in two dimensions, `lax.conv_transpose(x, kernel, strides, padding)`.

    Args:
        x: (B, H, W, C_in).
        kernel: (h, w, C_in, C_out).
        strides: pair of integers.
        padding: "SAME" or "VALID".

    Returns:
        (B, H', W', C_out).

    References:
        Dumoulin and Visin (2016), A guide to convolution arithmetic for deep learning, chapter 4.
    """
    return _plain_conv_transpose(x, kernel, strides, padding)


def _conv_transpose_forward(x, kernel, strides, padding):
    return conv_transpose(x, kernel, strides, padding), (x, kernel)


def _conv_transpose_backward(strides, padding, residuals, dy):
    def plain(x, kernel, dy):
        function = functools.partial(_plain_conv_transpose, strides=strides, padding=padding)
        return jax.vjp(function, x, kernel)[1](dy)

    adjoint = functools.partial(_gradients_by_adjoint, strides=strides, padding=padding)
    return lax.platform_dependent(*residuals, dy, cpu=adjoint, default=plain)


conv_transpose.defvjp(_conv_transpose_forward, _conv_transpose_backward)


def _gradients_by_adjoint(x, kernel, dy, strides, padding):
    """Return the gradients (dx, dkernel) as those of the ordinary convolution from dy to x."""
    flipped = kernel[::-1, ::-1].swapaxes(2, 3)  # (h, w, C_out, C_in)
    pads = []
    for axis, (size, stride) in enumerate(zip(kernel.shape[:2], strides, strict=True), start=1):
        low = size - 1 - _padding_before(size, stride, padding)
        pads.append((low, (x.shape[axis] - 1) * stride + size - dy.shape[axis] - low))

    def convolution(dy, flipped):
        return lax.conv_general_dilated(dy, flipped, strides, pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))

    dx = convolution(dy, flipped)
    (dflipped,) = jax.vjp(lambda flipped: convolution(dy, flipped), flipped)[1](x)
    return dx, dflipped.swapaxes(2, 3)[::-1, ::-1]


def _padding_before(size, stride, padding):
    """Return how many zeros `lax.conv_transpose` puts in front of the dilated input along one axis."""
    if padding == "SAME" and stride <= size - 1:
        return -(-(size + stride - 2) // 2)  # half of all, rounded up
    return size - 1
