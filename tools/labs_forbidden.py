"""Find what an answer uses, where a task is to be done without it.

A check may carry "forbidden": ["grad", ...] in its metadata. This reads the code only: who hides a name, by `getattr`
for instance, is not found out.
"""

import ast
import symtable

from tools.labs_source import bound_names


def forbidden_in(sources, wanted, forbidden):
    """Return the forbidden names that some functions use, themselves or by way of others.

    Args:
        sources: code of the student's cells, in order.
        wanted: names that the task asks for.
        forbidden: names that must not occur, as a variable, an attribute or an import.

    Returns:
        Sorted list.
    """
    definitions = {}
    for source in sources:
        try:
            nodes = ast.parse(source).body
        except SyntaxError:
            continue
        definitions |= {name: node for node in nodes for name in bound_names(ast.unparse(node))}
    used, left = set(), list(wanted)
    while left:
        node = definitions.pop(left.pop(), None)
        if node is not None:
            shared = _global_names(symtable.symtable(ast.unparse(node), "<jawaban>", "exec"))
            used |= shared.union(*map(_members, ast.walk(node)))
            left += shared
    return sorted(used & set(forbidden))


def _global_names(table):
    """Return the names that a piece of code reads from the notebook; arguments and local variables are its own."""
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
