"""Find what an answer uses, where a task is to be done without it.

A check may carry "forbidden": ["grad", ...] in its metadata. This reads the code only: who hides a name, by `getattr`
for instance, is not found out.
"""

import ast
import symtable

from tools.labs_source import names_bound_by, parsed


def forbidden_in(sources, wanted, forbidden):
    """Return the forbidden names that some functions use, themselves or by way of others.

    Args:
        sources: code of the student's cells, in order.
        wanted: names that the task asks for.
        forbidden: names that must not occur, as a variable, an attribute or an import; a function that the student has
            written under such a name may, and is searched in turn.

    Returns:
        Sorted list.
    """
    definitions = {}
    for source in sources:
        definitions |= {name: node for node in parsed(source) for name in names_bound_by(node)}
    own = {name for name, node in definitions.items() if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used, left = set(), list(wanted)
    while left:
        node = definitions.pop(left.pop(), None)
        if node is not None:
            shared = _read_from_notebook(node)
            used |= (shared - own).union(*map(_members, ast.walk(node)))
            left += shared
    return sorted(used & set(forbidden))


def _read_from_notebook(node):
    """Return the names that a statement reads from the notebook; arguments and local variables are its own."""
    try:
        return _global_names(symtable.symtable(ast.unparse(node), "<jawaban>", "exec"))
    except (RecursionError, MemoryError):  # too deeply nested to tell them apart
        return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _global_names(table):
    symbols = table.get_symbols()
    own = {symbol.get_name() for symbol in symbols if symbol.is_referenced() and symbol.is_global()}
    if table.get_type() == "module":
        own = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    return own.union(*map(_global_names, table.get_children()))


def _members(node):
    match node:
        case ast.Attribute(attr=name):
            return {name}
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return {part for alias in aliases for part in alias.name.split(".")}
    return set()
