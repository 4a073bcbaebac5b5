"""Recurrent networks: a classifier of padded sequences and a character language model."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from . import layers

PADDING = 0  # the token that fills short sequences up at their end
CELLS = {"simple": nnx.SimpleCell, "lstm": nnx.OptimizedLSTMCell, "gru": nnx.GRUCell}


@dataclass(frozen=True)
class SequenceClassifierConfig:
    """Sizes of a `SequenceClassifier`.

    Attributes:
        vocabulary_size: tokens lie in [0, vocabulary_size); 0 is padding.
        class_count: number of logits, K.
        cell: "simple", "lstm" or "gru".
        features: numbers in the embedding of a token.
        hidden_features: numbers in the hidden state of one direction, H.
        bidirectional: whether a second network reads every sequence from its end.
        dropout: rate, on embeddings and on the state that is classified.
    """

    vocabulary_size: int
    class_count: int
    cell: str = "lstm"
    features: int = 32
    hidden_features: int = 64
    bidirectional: bool = False
    dropout: float = 0.0

    def __post_init__(self):
        if self.cell not in CELLS:
            raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {self.cell!r}.")


class SequenceClassifier(nnx.Module):
    """Embed the tokens, run a recurrent network, classify its state after the last token that is not padding.

    Args:
        config: `SequenceClassifierConfig`.
        rngs: `nnx.Rngs` for the initial weights.

    References:
        Elman (1990); Hochreiter and Schmidhuber (1997); Cho et al. (2014); Schuster and Paliwal (1997).
    """

    def __init__(self, config: SequenceClassifierConfig, *, rngs: nnx.Rngs):
        self.config = config
        self.embed = nnx.Embed(config.vocabulary_size, config.features, rngs=rngs)
        directions = 2 if config.bidirectional else 1
        self.rnns = nnx.List([_make_rnn(CELLS[config.cell], config, rngs) for _ in range(directions)])
        self.dropout = nnx.Dropout(config.dropout)
        self.out = nnx.Linear(directions * config.hidden_features, config.class_count, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits; padding at the end of a row does not change them.

        Args:
            x: (B, T) integers in [0, vocabulary_size), each row a sequence and then zeros. A row of zeros only counts
                as one token. A token of vocabulary_size or more makes the logits NaN.
            rngs: `nnx.Rngs` for dropout in training mode, or None.

        Returns:
            (B, K) float array.

        Raises:
            ValueError: x is not (B, T) with T at least 1, or does not hold integers; a NumPy array holds a
                negative one.
        """
        _check_tokens(x)
        lengths = sequence_lengths(x)
        orders = (x, reverse_sequences(x, lengths))
        states = [self._last_state(rnn, order, lengths, rngs) for rnn, order in zip(self.rnns, orders, strict=False)]
        return self.out(self.dropout(jnp.concatenate(states, axis=-1), rngs=rngs))

    def _last_state(self, rnn, tokens, lengths, rngs):
        h = self.dropout(self.embed(tokens), rngs=rngs)  # (B, T, features)
        carry = rnn.cell.initialize_carry(h[:, 0].shape, nnx.Rngs(0))  # zeros: nothing is drawn
        carry = jax.tree.map(lambda leaf: leaf.astype(h.dtype), carry)
        outputs = rnn(h, initial_carry=carry)  # (B, T, H); what comes after the last token does not reach back to it
        return jnp.take_along_axis(outputs, lengths[:, None, None] - 1, axis=1)[:, 0]  # (B, H)


def sequence_lengths(x):
    """Return how many tokens each row has before its padding.

    Args:
        x: (B, T) integers; zeros at the end of a row are padding.

    Returns:
        (B,) int32 in [1, T]; 1 for a row of zeros only.
    """
    ends = jnp.arange(1, x.shape[1] + 1)[None]  # (1, T)
    return jnp.where(x != PADDING, ends, 1).max(axis=1)


def reverse_sequences(x, lengths):
    """Reverse the tokens of each row and leave the padding at its end.

    Args:
        x: (B, T) array.
        lengths: (B,) integers in [1, T].

    Returns:
        (B, T) array.
    """
    places = jnp.arange(x.shape[1])[None]  # (1, T)
    return jnp.take_along_axis(x, (lengths[:, None] - 1 - places) % x.shape[1], axis=1)


def set_chrono_bias(cell, longest, key):
    """Set the gate biases of a new cell so that its units remember for times spread from 2 to `longest` steps.

    A unit that keeps the share f of its state in each step remembers for about 1 / (1 - f) steps. With inputs near 0,
    f is the sigmoid of the bias; the bias log(t - 1) therefore gives a memory of t steps, and t is drawn evenly from
    [2, longest].

    Args:
        cell: `nnx.OptimizedLSTMCell`, whose input gate gets the opposite bias, or `nnx.GRUCell`; changed in place.
        longest: steps, at least 3.
        key: PRNG key.

    Raises:
        ValueError: longest is below 3.
        TypeError: the cell is of another class.

    References:
        Tallec and Ollivier (2018), Can recurrent neural networks warp time?, "chrono initialization".
    """
    if longest < 3:
        raise ValueError(f"expected longest of at least 3 steps, got {longest}.")
    H = cell.hidden_features
    keep = jnp.log(jax.random.uniform(key, (H,), minval=1, maxval=longest - 1))
    if type(cell) is nnx.OptimizedLSTMCell:  # biases of the input, forget, cell and output gate, H each
        bias = cell.dense_h.bias
        bias[...] = bias[...].at[: 2 * H].set(jnp.concatenate([-keep, keep]))
    elif type(cell) is nnx.GRUCell:  # of the reset gate, of the update gate, which keeps, and of the candidate
        bias = cell.dense_i.bias
        bias[...] = bias[...].at[H : 2 * H].set(keep)
    else:
        raise TypeError(f"expected an nnx.OptimizedLSTMCell or nnx.GRUCell, got {type(cell).__name__}.")


class CharacterModel(nnx.Module):
    """Embed the characters, run an LSTM, predict every next character.

    Args:
        vocabulary_size: V; characters are integers in [0, V).
        features: numbers in the embedding of a character.
        hidden_features: numbers in the hidden state, H.
        dropout: rate, on embeddings and on hidden states before the logits (Zaremba et al., 2014).
        rngs: `nnx.Rngs` for the initial weights.

    Attributes:
        context: None, there is no limit on the length of a text (see `generation.LanguageModel`).

    References:
        Mikolov et al. (2010), Recurrent neural network based language model; Hochreiter and Schmidhuber (1997).
    """

    context = None

    def __init__(
        self,
        vocabulary_size: int,
        features: int,
        hidden_features: int,
        *,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        self.embed = nnx.Embed(vocabulary_size, features, rngs=rngs)
        self.rnn = layers.RNN(nnx.OptimizedLSTMCell(features, hidden_features, rngs=rngs), rngs=False)
        self.dropout = nnx.Dropout(dropout)
        self.out = nnx.Linear(hidden_features, vocabulary_size, rngs=rngs)

    def __call__(self, x, rngs=None):
        """Return logits of the next character at every place.

        Args:
            x: (B, T) integers in [0, V); a character of V or more makes the logits NaN.
            rngs: `nnx.Rngs` for dropout in training mode, or None.

        Returns:
            (B, T, V) float array; those at place t depend on x[:, :t + 1] only.

        Raises:
            ValueError: x is not (B, T) with T at least 1, or does not hold integers; a NumPy array holds a
                negative one.
        """
        _check_tokens(x)
        h = self.dropout(self.embed(x), rngs=rngs)
        h = self.rnn(h, initial_carry=self.initial_carry(x.shape[0]))  # (B, T, H)
        return self.out(self.dropout(h, rngs=rngs))

    def initial_carry(self, batch_size):
        """Return the state before the first character: (c, h), zeros (B, H); Flax puts the cell state first."""
        zeros = jnp.zeros((batch_size, self.rnn.cell.hidden_features), self.embed.dtype)
        return zeros, zeros

    def start(self, prompt, prompt_length=None):
        """Read a prompt in one call; see `generation.LanguageModel`.

        Args:
            prompt: (B, P) integers in [0, V).
            prompt_length: how many of the P characters count, an integer or a scalar array; None: all.

        Returns:
            (carry (c, h), logits (B, V)) after the last character that counts.

        Raises:
            ValueError: as in a call.
        """
        _check_tokens(prompt)
        B, P = prompt.shape
        lengths = jnp.full(B, P if prompt_length is None else prompt_length)
        settings = {"initial_carry": self.initial_carry(B), "seq_lengths": lengths, "return_carry": True}
        carry, _ = self.rnn(self.embed(prompt), **settings)
        return carry, self.out(carry[1])

    def step(self, carry, token):
        """Read one more character.

        Args:
            carry: (c, h) from `initial_carry`, `start` or `step`.
            token: (B,) integers in [0, V).

        Returns:
            (carry, logits (B, V)).
        """
        carry, h = self.rnn.cell(carry, self.embed(token))
        return carry, self.out(h)


def _make_rnn(cell, config, rngs):
    # rngs=False: the carry starts at zero, so that there is no random stream to keep among the weights
    return layers.RNN(cell(config.features, config.hidden_features, rngs=rngs), rngs=False)


def _check_tokens(x):
    if x.ndim != 2 or x.shape[1] < 1:
        raise ValueError(f"expected tokens (B, T) with T of at least 1, got shape {x.shape}.")
    if not jnp.issubdtype(x.dtype, jnp.integer):
        raise ValueError(f"expected integer tokens, got {x.dtype}; the losses take uint8 for images: use int32.")
    if not isinstance(x, jax.Array) and (x < 0).any():  # values of an array of JAX may not be known here
        raise ValueError(f"expected tokens of 0 or more, got {x.min()}, which would be read from the end of the table.")
