"""Read the docstrings of `common`, whose `code` stands in single backquotes, as reStructuredText."""

import re

CODE = re.compile(r"(`[^`]+`)")


def convert(app, what, name, obj, options, lines):
    """Turn single backquotes into literals, fences into blocks, and escape what would be markup."""
    done, prose, is_code = [], [], False
    for line in lines:
        if line.strip() == "```":
            done += [*_literals(prose), f"{line[: line.index('`')]}::", ""] if not is_code else [""]
            prose, is_code = [], not is_code
        elif is_code:
            done.append(f"    {line}")
        else:
            prose.append(line)
    lines[:] = [*done, *_literals(prose)]


def _literals(lines):
    parts = CODE.split("\n".join(lines))
    for number, part in enumerate(parts):
        if number % 2:
            parts[number] = "`" + re.sub(r"\s*\n\s*", " ", part) + "`"
        else:
            parts[number] = re.sub(r"([*|])|_(?=\W|$)", lambda match: "\\" + match[0], part)
    return "".join(parts).split("\n")


def setup(app):
    """Register the conversion, to run before Napoleon reads the sections."""
    app.connect("autodoc-process-docstring", convert, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
