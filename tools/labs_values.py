"""Carry values between a judge and the process of a student as text: plain data only, never pickles.

Arrays travel with their dtype and shape, everything that is not plain data stays where it is and is named by a number.
"""

import base64
import json

import numpy as np

PLAIN = (type(None), bool, int, float, str)
MAX_DEPTH = 12
MAX_BYTES = 64 * 1024 * 1024  # of one message
LENGTH_BYTES = 8


class ValueRefused(Exception):
    """Say why a value cannot travel, or why what came is not a value."""


def encode(value, keep, depth=0):
    """Turn a value into JSON data.

    Args:
        value: None, bool, int, float, str, an array of NumPy or JAX (PRNG keys too), lists, tuples and dicts of these.
        keep: function that takes any other object and returns the integer that names it.
        depth: how far inside a container the value lies.

    Returns:
        JSON data that `decode` takes.

    Raises:
        ValueRefused: containers lie too deep in one another.
    """
    if depth > MAX_DEPTH:
        raise ValueRefused(f"wadah bersarang lebih dari {MAX_DEPTH} tingkat")
    kind = type(value)
    if kind is float and not np.isfinite(value):
        return {"kind": "float", "value": repr(value)}
    if kind in PLAIN:
        return value
    if kind in (list, tuple):
        return {"kind": kind.__name__, "items": [encode(item, keep, depth + 1) for item in value]}
    if kind is dict and all(type(name) in (str, int) for name in value):
        items = [[name, encode(item, keep, depth + 1)] for name, item in value.items()]
        return {"kind": "dict", "items": items}
    if kind is np.ndarray or isinstance(value, np.generic):
        return _encode_array(np.asarray(value), "numpy", keep)
    if _is_jax_array(value):
        import jax

        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            return _encode_array(np.asarray(jax.random.key_data(value)), str(jax.random.key_impl(value)), keep)
        return _encode_array(np.asarray(value), "jax", keep)
    return {"kind": "object", "number": keep(value), "type": kind.__name__, "callable": callable(value)}


def decode(data, find):
    """Turn JSON data from `encode` into the value.

    Args:
        data: JSON data; nothing is trusted.
        find: function of (number, type name, whether callable) that returns the object of that number.

    Returns:
        The value; arrays of JAX come as arrays of JAX.

    Raises:
        ValueRefused: the data were not made by `encode`.
    """
    try:
        return _decode(data, find)
    except ValueRefused:
        raise
    except Exception as error:  # whatever a hostile process has sent
        raise ValueRefused(f"nilai tidak terbaca: {type(error).__name__}") from None


def _decode(data, find):
    if type(data) in PLAIN:
        return data
    kind = data["kind"]
    if kind == "float":
        return float(data["value"])
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_decode(item, find) for item in data["items"])
    if kind == "dict":
        return {name: _decode(item, find) for name, item in data["items"]}
    if kind == "object":
        return find(int(data["number"]), str(data["type"]), bool(data["callable"]))
    if kind == "array":
        return _decode_array(data)
    raise ValueRefused(f"jenis nilai tidak dikenal: {kind!r}")


def _encode_array(array, library, keep):
    if array.dtype.hasobject:
        return {"kind": "object", "number": keep(array), "type": "ndarray", "callable": False}
    text = base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
    return {"kind": "array", "library": library, "dtype": array.dtype.name, "shape": list(array.shape), "bytes": text}


def _decode_array(data):
    import jax  # knows bfloat16 and its like

    dtype, shape = jax.numpy.dtype(data["dtype"]), tuple(map(int, data["shape"]))
    array = np.frombuffer(base64.b64decode(data["bytes"], validate=True), dtype).reshape(shape).copy()
    if data["library"] == "numpy":
        return array if shape else array[()]
    if data["library"] == "jax":
        return jax.numpy.asarray(array)
    return jax.random.wrap_key_data(jax.numpy.asarray(array), impl="threefry2x32")


def _is_jax_array(value):
    import sys

    return "jax" in sys.modules and isinstance(value, sys.modules["jax"].Array)


def write_message(stream, message):
    """Write one JSON message, its length in front.

    Raises:
        ValueRefused: it is too long.
    """
    text = json.dumps(message).encode()
    if len(text) > MAX_BYTES:
        raise ValueRefused(f"nilai lebih besar dari {MAX_BYTES // 2**20} MB")
    stream.write(len(text).to_bytes(LENGTH_BYTES, "big") + text)
    stream.flush()


def read_message(stream):
    """Read one message; None at the end of the stream.

    Raises:
        ValueRefused: what came is no message.
    """
    head = stream.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    size = int.from_bytes(head, "big")
    if size > MAX_BYTES:
        raise ValueRefused(f"pesan lebih besar dari {MAX_BYTES // 2**20} MB")
    text = stream.read(size)
    if len(text) < size:
        return None
    try:
        return json.loads(text)
    except ValueError:
        raise ValueRefused("pesan bukan JSON") from None
