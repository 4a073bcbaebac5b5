"""Text generation: LENGTH tokens after a prompt, with what was read remembered, or read anew for every token.

A contender is a function without arguments that writes one text and returns its tokens, (1, LENGTH).
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from benchmarks import textbook
from common.models.generation import generate, sample_token
from common.models.rnn import CharacterModel
from common.models.transformer import GPT, GPTConfig

PROMPT, LENGTH, VOCABULARY = 16, 240, 64
WINDOW = PROMPT + LENGTH
CONFIG = GPTConfig(VOCABULARY, context=WINDOW)


@dataclasses.dataclass(frozen=True)
class Writer:
    """A model that writes.

    Attributes:
        title: for tables and figures.
        common: `() -> nnx.Module`.
        textbook: `() -> nnx.Module` with the same variables.
        torch: name of the class in `benchmarks.pytorch`.
    """

    title: str
    common: Callable
    textbook: Callable
    torch: str


def _sharpened(embedding, model):
    """Return the model with a larger embedding, so that its texts vary and ties by rounding do not decide them."""
    embedding[...] = 8 * embedding[...]
    return model


def _character_model():
    model = CharacterModel(VOCABULARY, 64, 256, rngs=nnx.Rngs(0))
    return _sharpened(model.embed.embedding, model)


def _gpt():
    model = GPT(CONFIG, rngs=nnx.Rngs(0))
    return _sharpened(model.positions.embedding, model)


WRITERS = {
    "lstm": Writer(
        "LSTM 64-256",
        _character_model,
        lambda: textbook.CharacterModel(VOCABULARY, 64, 256, nnx.Rngs(0)),
        "CharacterModel",
    ),
    "gpt": Writer(
        "GPT 4 x 128",
        _gpt,
        lambda: textbook.GPT(CONFIG, nnx.Rngs(0)),
        "GPT",
    ),
}


def make_prompt():
    """Return (1, PROMPT) tokens."""
    return np.random.default_rng(0).integers(0, VOCABULARY, (1, PROMPT)).astype(np.int32)


def make_common(writer, temperature):
    """Return generation with a carry: the LSTM's state, or the keys and values of the transformer."""
    model, prompt = writer.common(), make_prompt()
    model.eval()
    graphdef, state = nnx.split(model)
    settings = {"length": LENGTH, "key": jax.random.key(0), "temperature": temperature}
    write = jax.jit(lambda state, prompt: generate(nnx.merge(graphdef, state), prompt, **settings))
    return lambda: np.asarray(write(state, prompt))


def make_rereading(writer, temperature):
    """Return generation that reads the whole window anew for every token, in one compiled loop."""
    model, prompt = writer.common(), make_prompt()
    model.eval()
    graphdef, state = nnx.split(model)

    @jax.jit
    def write(state, window):
        def write_token(window, place):
            logits = jax.lax.dynamic_index_in_dim(nnx.merge(graphdef, state)(window), place - 1, 1, keepdims=False)
            key = jax.random.fold_in(jax.random.key(0), place)
            token = sample_token(logits, key, temperature=temperature)
            return jax.lax.dynamic_update_slice(window, token[:, None], (0, place)), None

        return jax.lax.scan(write_token, window, jnp.arange(PROMPT, WINDOW))[0][:, PROMPT:]

    window = jnp.pad(prompt, ((0, 0), (0, LENGTH)))
    return lambda: np.asarray(write(state, window))


def make_textbook(writer, temperature):
    """Return generation as tutorials of Flax write it: a Python loop that calls the model on a padded window."""
    model = writer.textbook()
    nnx.update(model, nnx.state(writer.common(), nnx.Param))

    @nnx.jit
    def next_token(model, window, place, key):
        logits = model(window)[:, place - 1]
        return logits.argmax(-1) if temperature == 0 else jax.random.categorical(key, logits / temperature)

    def write():
        window, key = jnp.pad(make_prompt(), ((0, 0), (0, LENGTH))), jax.random.key(0)
        for place in range(PROMPT, WINDOW):
            key, subkey = jax.random.split(key)
            window = window.at[:, place].set(next_token(model, window, place, subkey))
        return np.asarray(window[:, PROMPT:])

    return write


def make_torch(writer, temperature, rereading=False):
    """Return PyTorch's loop, eager, with a carry or reading the whole text so far for every token."""
    import torch

    from benchmarks import pytorch

    module, prompt = pytorch.module_of(writer, writer.common()).eval(), torch.from_numpy(make_prompt()).long()

    def draw(logits):
        if temperature == 0:
            return logits.argmax(-1, keepdim=True)
        return torch.multinomial((logits / temperature).softmax(-1), 1)

    @torch.inference_mode()
    def write_rereading():
        text = prompt
        for _ in range(LENGTH):
            text = torch.cat([text, draw(module(text)[:, -1])], 1)
        return text[:, PROMPT:].numpy()

    @torch.inference_mode()
    def write():
        logits, carry = module.extend(prompt, None)
        tokens = []
        for _ in range(LENGTH):
            tokens.append(draw(logits[:, -1]))
            logits, carry = module.extend(tokens[-1], carry)
        return torch.cat(tokens, 1).numpy()

    return write_rereading if rereading else write


CONTENDERS = {
    "textbook, rereading": make_textbook,
    "common": make_common,
    "common, rereading": make_rereading,
    "torch": make_torch,
    "torch, rereading": lambda writer, temperature: make_torch(writer, temperature, rereading=True),
}


def check_equal(writer, contenders):
    """Raise AssertionError unless all contenders write the same text when they take the most likely token."""
    texts = {name: CONTENDERS[name](writer, 0)() for name in contenders}
    for name, text in texts.items():
        np.testing.assert_array_equal(text, texts["common"], err_msg=f"{name} writes another text than common")
    assert len(np.unique(texts["common"])) > 2, "a text of one or two tokens would prove little"
