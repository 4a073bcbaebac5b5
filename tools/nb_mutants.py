"""Make small wrong versions of a code cell: a sign, an axis, a constant, a comparison, a transpose."""

import ast
import copy
import re
from dataclasses import dataclass

EXEMPT = re.compile(r"#\s*boleh diganti:\s*\S")
PLOT_NAMES = re.compile(r"(plt|plots|figs?|figures?|ax|axs|axes|axis|print|display|tqdm|warnings)\d*")
SEED_MAKERS = {"key", "PRNGKey", "default_rng", "seed", "Rngs"}  # another seed is not a bug
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult}
COMPARISONS = {
    ast.Lt: ast.Gt,
    ast.Gt: ast.Lt,
    ast.LtE: ast.GtE,
    ast.GtE: ast.LtE,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
}
NAMES = {
    **{"maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max"},
    **{"argmax": "argmin", "argmin": "argmax", "mean": "sum", "sum": "mean"},
    **{"exp": "expm1", "log": "log1p", "sin": "cos", "cos": "sin"},
}


@dataclass(frozen=True)
class Mutant:
    """Hold one changed cell: its line, the expression before and after, and the tree to execute."""

    line: int
    before: str
    after: str
    tree: ast.Module


def mutants(source):
    """List the Mutants of a code cell.

    Args:
        source: Python. Lines with the comment `# boleh diganti: reason` are left alone, and so are plots, prints,
            assertions, imports, strings, random data and plain constants (`EPOCHS = 20`).

    Returns:
        List of Mutants, one change each, in the order of the lines.
    """
    tree = ast.parse(source)
    exempt = {number for number, line in enumerate(source.split("\n"), 1) if EXEMPT.search(line)}
    found = []
    for index, node in enumerate(ast.walk(tree)):
        node.place = index  # survives the deep copy: finds the same node there
    for node in _targets(tree):
        if exempt & set(range(node.lineno, node.end_lineno + 1)):
            continue
        for change in _changes(node):
            found.append(_mutant(tree, node, change))
    return sorted(found, key=lambda mutant: mutant.line)


def _mutant(tree, node, change):
    mutated = copy.deepcopy(tree)
    twin = next(other for other in ast.walk(mutated) if getattr(other, "place", None) == node.place)
    new = change(twin)
    if new is not twin:
        mutated = _Swap(twin, new).visit(mutated)
    ast.fix_missing_locations(mutated)
    return Mutant(node.lineno, ast.unparse(node), ast.unparse(new), mutated)


class _Swap(ast.NodeTransformer):
    def __init__(self, old, new):
        self.old, self.new = old, new

    def visit(self, node):
        return self.new if node is self.old else self.generic_visit(node)


def _targets(node):
    """Walk the nodes that may be changed."""
    for child in ast.iter_child_nodes(node):
        if _skipped(child):
            continue
        if hasattr(child, "lineno"):
            yield child
        if not _is_axis(child):
            yield from _targets(child)


def _skipped(node):
    kinds = (ast.Import, ast.ImportFrom, ast.Assert, ast.JoinedStr, ast.arg, ast.Raise)
    if isinstance(node, kinds):
        return True
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True  # zip(..., strict=False) does the same wherever strict=True passes
    if isinstance(node, ast.Call):
        root, last = _root_name(node.func), _last_name(node.func)
        random = "random." in ast.unparse(node.func)  # sizes and seeds of made-up data
        return bool(PLOT_NAMES.fullmatch(root)) or random or last in SEED_MAKERS or last.startswith("assert_")
    return _is_constant(node) and node.col_offset == 0


def _changes(node):
    """Yield functions that change the twin of `node` in a copied tree and return what stands in its place."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATORS and not _has_text(node):
        yield _set("op", OPERATORS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and not _is_number(node.operand):
        yield lambda twin: twin.operand
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        yield _set("ops", [COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield lambda twin: twin.value
    elif isinstance(node, ast.Attribute) and node.attr in NAMES:
        yield _set("attr", NAMES[node.attr])
    elif isinstance(node, ast.Name) and node.id in ("max", "min") and isinstance(node.ctx, ast.Load):
        yield _set("id", NAMES[node.id])
    elif _is_axis(node):
        yield _set("value", ast.Constant(1 if ast.literal_eval(node.value) == 0 else 0))
    elif _is_number(node):
        yield _set("value", not node.value if isinstance(node.value, bool) else node.value + 1)


def _set(field, value):
    def change(twin):
        setattr(twin, field, value)
        return twin

    return change


def _is_axis(node):
    """Recognise `axis=0`, `axis=1`, `axis=-1`."""
    if not isinstance(node, ast.keyword) or node.arg != "axis":
        return False
    return _is_number(node.value) or (isinstance(node.value, ast.UnaryOp) and _is_number(node.value.operand))


def _is_number(node):
    return isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float)


def _has_text(node):
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.value,)
    return any(isinstance(s, ast.JoinedStr) or isinstance(getattr(s, "value", None), str) for s in sides)


def _is_constant(node):
    if not isinstance(node, ast.Assign):
        return False
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def _root_name(node):
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return getattr(node, "id", "")


def _last_name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
