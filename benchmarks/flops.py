"""Count the arithmetic of a function: the multiply-adds of its matrix products and convolutions."""

import math

import jax


def count_flops(function, *arguments):
    """Return the floating-point operations of all matrix products and convolutions, two for each multiply-add.

    Elementwise operations are left out: they are few, and bound by memory.

    Args:
        function: traced, not run.
        arguments: for it.

    Returns:
        Integer; loops count as often as they run.
    """
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr):
    return sum(_count_equation(equation) for equation in jaxpr.eqns)


def _count_equation(equation):
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return 2 * equation.outvars[0].aval.size * math.prod(equation.invars[0].aval.shape[i] for i in contracted)
    if name == "conv_general_dilated":
        return _count_convolution(equation)
    times = params["length"] if name == "scan" else 1
    inner = [getattr(value, "jaxpr", value) for value in jax.tree.leaves(list(params.values()), is_leaf=_is_jaxpr)]
    return times * sum(_count(jaxpr) for jaxpr in inner if hasattr(jaxpr, "eqns"))


def _is_jaxpr(value):
    return hasattr(value, "eqns") or hasattr(value, "jaxpr")


def _count_convolution(equation):
    """Count window positions; holes that dilation puts into the input are multiplied by no careful program."""
    params, kernel = equation.params, equation.invars[1].aval
    numbers = params["dimension_numbers"]
    window = kernel.size // kernel.shape[numbers.rhs_spec[0]]  # (inputs of one output)
    return 2 * equation.outvars[0].aval.size * window // math.prod(params["lhs_dilation"])
