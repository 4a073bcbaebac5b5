"""LSTM and GRU over a whole sequence, with the cells, parameters and numbers of Flax NNX.

A cell that is scanned as it stands multiplies each input with its weights in every step and, in the backward pass,
adds a weight gradient of full size to a running sum in every step. Here a step does only what cannot be done for all
steps at once:

- inputs meet their weights in one product before the scan;
- all gates take one tanh each, since sigmoid(z) = (1 + tanh(z / 2)) / 2, and tanh is the cheaper of the two on a CPU;
  the halves are multiplied into the weights beforehand;
- what the backward scan multiplies with is computed for all steps before it, and the weight gradients of all steps are
  one product after it.

The price is forward-mode differentiation, which these functions do not have: `jax.jvp` needs `nnx.RNN`.
"""

import jax
import jax.numpy as jnp
from flax import nnx

UNROLL = 4  # steps in one turn of the forward loop; more gains nothing, and compiling takes longer


@jax.custom_vjp
def lstm_sequence(xs, kernel, recurrent, bias, carry):
    """Run an LSTM over a sequence.

    Args:
        xs: (T, B, D).
        kernel: (D, 4 H), weights of the inputs; gates in the order input, forget, cell, output.
        recurrent: (H, 4 H), weights of the outputs before.
        bias: (4 H,).
        carry: (c, h), (B, H) each, cell state and output before the first step.

    Returns:
        (cell states, outputs), (T, B, H) each.

    References:
        Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000).
    """
    return _lstm_forward(xs, kernel, recurrent, bias, carry)[0]


def _lstm_forward(xs, kernel, recurrent, bias, carry):
    half = jnp.repeat(jnp.array([0.5, 0.5, 1, 0.5], kernel.dtype), recurrent.shape[0])  # of gates, not of the cell
    halved = recurrent * half[None]

    def step(carry, x):
        c, h = carry
        parts = zip(jnp.split(x, 4, -1), jnp.split(h @ halved, 4, -1), strict=True)
        i, f, g, o = (jnp.tanh(from_input + from_before) for from_input, from_before in parts)
        i, f, o = _to_sigmoid(i), _to_sigmoid(f), _to_sigmoid(o)
        c = f * c + i * g
        h = o * jnp.tanh(c)
        return (c, h), (c, h, i, f, g, o)

    inputs = _apply(xs, kernel * half[None], bias * half)  # (T, B, 4 H)
    _, (cs, hs, *gates) = jax.lax.scan(step, carry, inputs, unroll=UNROLL)
    return (cs, hs), (xs, kernel, recurrent, carry, cs, hs, *gates)


def _lstm_backward(residuals, cotangents):
    xs, kernel, recurrent, (c, h), cs, hs, i, f, g, o = residuals
    transposed, outs = recurrent.T, jnp.tanh(cs)
    to_gates = g * i * (1 - i), _shift(c, cs) * f * (1 - f), i * (1 - g * g)  # from the cell state's gradient
    to_output_gate, to_cell = outs * o * (1 - o), o * (1 - outs * outs)  # from the output's gradient

    def step(carry, x):
        dc, dh = carry
        dc_here, dh_here, to_gates, to_output_gate, to_cell, f = x
        dh = dh + dh_here
        dc = dc + dc_here + dh * to_cell
        dz = jnp.concatenate([*(dc * factor for factor in to_gates), dh * to_output_gate], -1)  # (B, 4 H)
        return (dc * f, dz @ transposed), dz

    start = jnp.zeros_like(c), jnp.zeros_like(h)
    factors = (*cotangents, to_gates, to_output_gate, to_cell, f)
    carry, dzs = jax.lax.scan(step, start, factors, reverse=True)
    return *_apply_backward(xs, kernel, dzs), _weight_gradient(_shift(h, hs), dzs), dzs.sum((0, 1)), carry


lstm_sequence.defvjp(_lstm_forward, _lstm_backward)


@jax.custom_vjp
def gru_sequence(xs, kernel, recurrent, bias, carry):
    """Run a GRU over a sequence.

    Args:
        xs: (T, B, D).
        kernel: (D, 3 H), weights of the inputs; in the order reset gate, update gate, candidate.
        recurrent: (H, 3 H), weights of the outputs before.
        bias: (3 H,).
        carry: (B, H), output before the first step.

    Returns:
        (T, B, H), outputs.

    References:
        Cho et al. (2014), with the reset gate after the recurrent product, as in cuDNN.
    """
    return _gru_forward(xs, kernel, recurrent, bias, carry)[0]


def _gru_forward(xs, kernel, recurrent, bias, carry):
    half = jnp.repeat(jnp.array([0.5, 0.5, 1], kernel.dtype), recurrent.shape[0])  # of gates, not of the candidate
    halved = recurrent * half[None]

    def step(h, x):
        (x_r, x_u, x_n), (h_r, h_u, h_n) = jnp.split(x, 3, -1), jnp.split(h @ halved, 3, -1)
        r, u = _to_sigmoid(jnp.tanh(x_r + h_r)), _to_sigmoid(jnp.tanh(x_u + h_u))
        n = jnp.tanh(x_n + r * h_n)
        h = (1 - u) * n + u * h
        return h, (h, r, u, n, h_n)

    inputs = _apply(xs, kernel * half[None], bias * half)  # (T, B, 3 H)
    _, (hs, *saved) = jax.lax.scan(step, carry, inputs, unroll=UNROLL)
    return hs, (xs, kernel, recurrent, carry, hs, *saved)


def _gru_backward(residuals, dhs):
    xs, kernel, recurrent, h, hs, r, u, n, h_n = residuals
    transposed, before = recurrent.T, _shift(h, hs)
    to_candidate, to_update = (1 - u) * (1 - n * n), (before - n) * u * (1 - u)  # from the output's gradient
    to_reset = h_n * r * (1 - r)  # from the candidate's

    def step(dh, x):
        dh_here, to_candidate, to_update, to_reset, r, u = x
        dh = dh + dh_here
        dn, du = dh * to_candidate, dh * to_update
        dr = dn * to_reset
        product = jnp.concatenate([dr, du, dn * r], -1)  # (B, 3 H)
        return dh * u + product @ transposed, (jnp.concatenate([dr, du, dn], -1), product)

    factors = (dhs, to_candidate, to_update, to_reset, r, u)
    carry, (dzs, products) = jax.lax.scan(step, jnp.zeros_like(h), factors, reverse=True)
    return *_apply_backward(xs, kernel, dzs), _weight_gradient(before, products), dzs.sum((0, 1)), carry


gru_sequence.defvjp(_gru_forward, _gru_backward)


def _to_sigmoid(tanh_of_half):
    return 0.5 + 0.5 * tanh_of_half


def _apply(xs, kernel, bias):
    """Return xs @ kernel + bias for (T, B, D), as one product of matrices."""
    product = xs.reshape(-1, xs.shape[-1]) @ kernel + bias[None]
    return product.reshape(*xs.shape[:2], -1)


def _apply_backward(xs, kernel, dzs):
    """Return the gradients of inputs and their weights."""
    flat = dzs.reshape(-1, dzs.shape[-1])
    return (flat @ kernel.T).reshape(xs.shape), _weight_gradient(xs, dzs)


def _weight_gradient(hs, dzs):
    return hs.reshape(-1, hs.shape[-1]).T @ dzs.reshape(-1, dzs.shape[-1])  # (H, T B) @ (T B, K H)


def _shift(first, sequence):
    """Return what each step started from: (T, B, H)."""
    return jnp.concatenate([first[None], sequence[:-1]])


class RNN(nnx.RNN):
    """`nnx.RNN`, faster for the cells `nnx.OptimizedLSTMCell`, `nnx.LSTMCell` and `nnx.GRUCell`.

    Constructor, parameters and results are those of `nnx.RNN`; other cells, activation functions and numbers of axes
    are left to it.
    """

    def __call__(self, inputs, *, initial_carry=None, seq_lengths=None, **settings):
        """Apply the cell to a batch of sequences.

        Args:
            inputs: (B, T, D), or (T, B, D) with `time_major=True`.
            initial_carry: of the cell; None starts with zeros. An LSTM's is (c, h), (B, H) each.
            seq_lengths: (B,) integers, lengths of padded sequences, or None.
            settings: return_carry, time_major, reverse, keep_order, rngs as for `nnx.RNN`.

        Returns:
            (B, T, H) or (T, B, H) outputs; with `return_carry` the tuple (last carry, outputs).
        """
        if inputs.ndim != 3 or not _is_usual(self.cell):
            return super().__call__(inputs, initial_carry=initial_carry, seq_lengths=seq_lengths, **settings)
        chosen = {name: settings.get(name) for name in ("return_carry", "time_major", "reverse", "keep_order")}
        chosen = {name: getattr(self, name) if value is None else value for name, value in chosen.items()}
        xs = inputs if chosen["time_major"] else inputs.swapaxes(0, 1)  # (T, B, D)
        if chosen["reverse"]:
            xs = _flip(xs, seq_lengths)
        if initial_carry is None:  # made here, since nnx.RNN would count up a random stream for these zeros
            zeros = jnp.zeros((xs.shape[1], self.cell.hidden_features), self.cell.param_dtype)
            initial_carry = zeros if type(self.cell) is nnx.GRUCell else (zeros, zeros)
        carries = _run(self.cell, xs, initial_carry)  # arrays (T, B, H), the last of them the outputs
        outputs = carries[-1]
        if chosen["reverse"] and chosen["keep_order"]:
            outputs = _flip(outputs, seq_lengths)
        outputs = outputs if chosen["time_major"] else outputs.swapaxes(0, 1)
        if not chosen["return_carry"]:
            return outputs
        last = [_last(carry, seq_lengths) for carry in carries]
        return (tuple(last) if len(last) > 1 else last[0]), outputs


def _is_usual(cell):
    known = type(cell) in (nnx.OptimizedLSTMCell, nnx.LSTMCell, nnx.GRUCell)
    starts_at_zero = known and cell.carry_init in (None, jax.nn.initializers.zeros)  # the second up to Flax 0.12.0
    return starts_at_zero and cell.gate_fn is nnx.sigmoid and cell.activation_fn is nnx.tanh


def _run(cell, xs, carry):
    """Return the carries after every step as a tuple of (T, B, H) arrays."""
    if type(cell) is nnx.LSTMCell:  # four small products become one
        inputs, hiddens = (cell.ii, cell.if_, cell.ig, cell.io), (cell.hi, cell.hf, cell.hg, cell.ho)
        kernels = [jnp.concatenate([linear.kernel[...] for linear in gates], -1) for gates in (inputs, hiddens)]
        bias = jnp.concatenate([linear.bias[...] for linear in hiddens])
        promote_dtype = cell.ii.promote_dtype
    else:
        kernels = [cell.dense_i.kernel[...], cell.dense_h.kernel[...]]
        bias = (cell.dense_i if type(cell) is nnx.GRUCell else cell.dense_h).bias[...]
        promote_dtype = cell.dense_i.promote_dtype
    xs, kernel, recurrent, bias = promote_dtype((xs, *kernels, bias), dtype=cell.dtype)
    carry = jax.tree.map(lambda leaf: leaf.astype(xs.dtype), carry)
    if type(cell) is nnx.GRUCell:
        return (gru_sequence(xs, kernel, recurrent, bias, carry),)
    return lstm_sequence(xs, kernel, recurrent, bias, tuple(carry))


def _flip(xs, lengths):
    """Reverse sequences (T, B, ...) in time; padding stays at the end (reversed too, as nnx.RNN does)."""
    if lengths is None:
        return xs[::-1]
    source = (lengths[None] - 1 - jnp.arange(len(xs))[:, None]) % len(xs)  # (T, B)
    return jnp.take_along_axis(xs, source[..., None], 0)


def _last(carry, lengths):
    return carry[-1] if lengths is None else carry[lengths - 1, jnp.arange(carry.shape[1])]
