"""Text generation with any model that reads a prompt and then one token at a time."""

from typing import Protocol

import jax
import jax.numpy as jnp


class LanguageModel(Protocol):
    """What `generate` asks of a model; `CharacterModel` and `GPT` have it.

    Attributes:
        context: the most tokens that it can read, or None where there is no limit.
    """

    context: int | None

    def start(self, prompt, prompt_length=None):
        """Read a prompt.

        Args:
            prompt: (B, P) integers in [0, V).
            prompt_length: how many of the P tokens count, the same for every row, an integer or a scalar array; what
                comes after them is padding by any valid token. None: all.

        Returns:
            (carry, logits): what `step` needs of the past, a pytree; (B, V) float, for the token after the prompt.
        """

    def step(self, carry, token):
        """Read one more token.

        Args:
            carry: from `start` or `step`.
            token: (B,) integers in [0, V).

        Returns:
            (carry, logits) as of `start`.
        """


def sample_token(logits, key, *, temperature=1.0, top_k=None, top_p=None):
    """Draw one token from each row of logits.

    First the logits are divided by the temperature; then all but the k most likely tokens are dropped; then, of what
    is left and renormalised, all but the smallest set of most likely tokens whose probabilities reach p.

    Args:
        logits: (..., V) float array.
        key: PRNG key.
        temperature: at least 0; 0 takes the most likely token. It and the next two may be scalar arrays, so that a
            compiled function can take them as arguments.
        top_k: at least 1, or None for all V. Of equal logits the smaller token counts as more likely.
        top_p: in (0, 1], or None for 1.

    Returns:
        (...) int32 array in [0, V).

    Raises:
        ValueError: a setting that is a Python number is out of range.

    References:
        Fan, Lewis and Dauphin (2018), section 5.2 (top-k); Holtzman et al. (2020), equations 2 and 3 (nucleus).
    """
    _check_settings(temperature, top_k, top_p)
    if top_k is None and top_p is None:  # no need to sort
        scaled = logits.astype(jnp.float32) / jnp.where(temperature > 0, temperature, 1)
        return jnp.where(temperature > 0, jax.random.categorical(key, scaled), logits.argmax(-1)).astype(jnp.int32)
    order = jnp.argsort(-logits, axis=-1)  # (..., V), the most likely token first; stable
    ranked = jnp.take_along_axis(logits, order, axis=-1).astype(jnp.float32)
    ranked = ranked / jnp.where(temperature > 0, temperature, 1)
    if top_k is not None:
        rank = jax.lax.broadcasted_iota(jnp.int32, ranked.shape, ranked.ndim - 1)
        ranked = jnp.where(rank < top_k, ranked, -jnp.inf)
    if top_p is not None:
        probabilities = jax.nn.softmax(ranked)
        before = jnp.cumsum(probabilities, axis=-1) - probabilities  # of all tokens that are more likely
        keep = (before < top_p) | (jnp.asarray(top_p) >= 1)  # in float32 `before` may round to 1
        ranked = jnp.where(keep, ranked, -jnp.inf)
    drawn = jnp.where(temperature > 0, jax.random.categorical(key, ranked), 0)  # (...), a rank
    return jnp.take_along_axis(order, drawn[..., None], axis=-1)[..., 0].astype(jnp.int32)


def generate(model, prompt, *, length, key, prompt_length=None, **sampling):
    """Write on after a prompt.

    A pure function: the caller compiles it. One compilation serves all prompts of one padded size (B, P), with
    `prompt_length`, key and sampling settings as arguments; another P or `length` is another compilation. For texts of
    any length from one compilation, call `continue_text` again and again.

    Args:
        model: `LanguageModel`, in evaluation mode (`model.eval()`).
        prompt: (B, P) integers in [0, V), P at least 1.
        length: how many tokens to write, a Python integer of at least 1.
        key: PRNG key. A longer text from the same key begins with the shorter one.
        prompt_length: how many of the P tokens count, as in `LanguageModel.start`; None: all.
        sampling: `temperature`, `top_k`, `top_p` of `sample_token`.

    Returns:
        (B, length) int32 array, the new tokens without the prompt.

    Raises:
        ValueError: the prompt is not (B, P); prompt_length, a Python number, is not in [1, P]; length is below 1;
            P + length exceeds the model's context.

    Example:
        ```
        model.eval()
        graphdef, state = nnx.split(model)

        @jax.jit
        def write(state, prompt, prompt_length, key, temperature):
            settings = {"length": 200, "key": key, "prompt_length": prompt_length, "temperature": temperature}
            return generate(nnx.merge(graphdef, state), prompt, **settings)
        ```
    """
    _check_prompt(prompt, prompt_length, length, model.context)

    start = model.start(jnp.asarray(prompt), prompt_length)
    return continue_text(model, start, 0, count=length, key=key, **sampling)[1]


def continue_text(model, state, written, *, count, key, **sampling):
    """Write `count` tokens more, from where the prompt or an earlier call ended.

    Compiled once for one `count`, it writes texts of any length: pass the state of each call to the next one.

    Args:
        model: as in `generate`.
        state: (carry, logits) of `model.start` or of an earlier call.
        written: how many tokens were written before, an integer or a scalar array; it numbers the draws, so that texts
            do not depend on how they are cut.
        count: how many tokens to write, a Python integer of at least 1.
        key: PRNG key, the same for the whole text.
        sampling: as in `generate`.

    Returns:
        (state, tokens): for the next call; (B, count) int32. Beyond the model's context the logits of a `GPT`
        are NaN.

    Raises:
        ValueError: count is below 1.
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, got {count}.")

    def write(state, number):
        carry, logits = state
        token = sample_token(logits, jax.random.fold_in(key, number), **sampling)  # (B,)
        return model.step(carry, token), token

    state, tokens = jax.lax.scan(write, state, written + jnp.arange(count))
    return state, tokens.T  # (count, B) -> (B, count)


def _check_settings(temperature, top_k, top_p):
    if isinstance(temperature, int | float) and not temperature >= 0:
        raise ValueError(f"temperature must be at least 0, got {temperature}.")
    if isinstance(top_k, int | float) and not (top_k >= 1 and top_k == int(top_k)):
        raise ValueError(f"top_k must be an integer of at least 1, or None, got {top_k}.")
    if isinstance(top_p, int | float) and not 0 < top_p <= 1:
        raise ValueError(f"top_p must lie in (0, 1], or be None, got {top_p}.")


def _check_prompt(prompt, prompt_length, length, context):
    shape = jnp.shape(prompt)
    if len(shape) != 2 or shape[1] < 1:
        raise ValueError(f"expected a prompt (B, P) of at least one token, got shape {shape}.")
    if isinstance(prompt_length, int) and not 1 <= prompt_length <= shape[1]:
        raise ValueError(
            f"prompt_length must lie in [1, {shape[1]}] for a prompt of shape {shape}, got {prompt_length}."
        )
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}.")
    if context is not None and shape[1] + length > context:
        raise ValueError(f"expected P + length <= {context}, the model's context, got {shape[1]} + {length}.")
