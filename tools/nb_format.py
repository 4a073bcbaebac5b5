"""Write a lesson in its one canonical form, so that diffs show what an author changed and nothing else."""

import hashlib
import re

import nbformat

from tools.nb_schema import SETUP_ID, badge, is_setup_cell, parse_notebook, setup_source, strip_source
from tools.nb_sections import headings, matches

BADGE = re.compile(r"\[!\[Buka di Colab\]\([^)]*\)\]\([^)]*\)")
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
CELL_TIMEOUT = 600  # seconds, read by nbmake
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"name": "python"}


def format_file(path, *, root, repository):
    """Bring the lesson at `path` into canonical form.

    Args:
        path: Path of the lesson.
        root: Path of the repository.
        repository: the Repository that setup cell and badge are filled from.

    Returns:
        True if the file changed.
    """
    old = path.read_text(encoding="utf-8")
    new = format_text(old, path=path, root=root, repository=repository)
    if new != old:
        path.write_text(new, encoding="utf-8", newline="\n")
    return new != old


def format_text(text, *, path, root, repository):
    """Return the canonical form of the notebook JSON `text` of the lesson at `path`."""
    return write_text(
        format_notebook(parse_notebook(text, path), path.relative_to(root).as_posix(), repository=repository)
    )


def write_text(notebook):
    """Serialise a notebook: indent 1, sorted keys, letters as they are, one newline at the end."""
    return nbformat.v4.writes_json(notebook).rstrip("\n") + "\n"


def format_notebook(notebook, path, *, repository):
    """Change `notebook` in place into canonical form and return it.

    Args:
        notebook: a NotebookNode.
        path: the lesson's path in the repository, with forward slashes.
        repository: a Repository.
    """
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    lesson = notebook.metadata.get("lesson")
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": KERNEL, "language_info": LANGUAGE, "execution": {"timeout": CELL_TIMEOUT}}
    )
    if lesson is not None:
        notebook.metadata["lesson"] = lesson
    _place_setup(notebook, repository)
    _place_badge(notebook, badge(repository, path))
    _number_executions(notebook)
    for cell in notebook.cells:
        _clean_cell(cell)
    _name_cells(notebook)
    return notebook


def _place_setup(notebook, repository):
    position = next((n for n, cell in enumerate(notebook.cells) if is_setup_cell(cell)), None)
    if position is None:
        # A new lesson: the cell goes right under its heading.
        under = [number for number, heading in headings(notebook) if matches("Persiapan", heading)]
        if not under:
            return
        position = under[0]
        notebook.cells.insert(position, nbformat.v4.new_code_cell())
    notebook.cells[position].source = setup_source(repository)
    notebook.cells[position]["id"] = SETUP_ID


def _place_badge(notebook, line):
    if not notebook.cells or notebook.cells[0].cell_type != "markdown":
        return
    head = notebook.cells[0]
    if BADGE.search(head.source):
        head.source = BADGE.sub(lambda _: line, head.source)
    elif head.source.startswith("# "):
        title, _, rest = head.source.partition("\n")
        head.source = f"{title}\n\n{line}\n\n{rest.lstrip()}"


def _number_executions(notebook):
    count = 0
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        executed = cell.get("execution_count") is not None or cell.get("outputs")
        count += bool(executed)
        cell["execution_count"] = count if executed else None
        cell["outputs"] = cell.get("outputs", [])
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output["execution_count"] = count


def _clean_cell(cell):
    cell.source = strip_source(cell.source)
    tags = cell.get("metadata", {}).get("tags")
    cell["metadata"] = nbformat.from_dict({"tags": sorted(tags)} if tags else {})
    for output in cell.get("outputs", []):
        if output.output_type in ("display_data", "execute_result"):
            output["metadata"] = nbformat.from_dict({})
        output.pop("transient", None)


def _name_cells(notebook):
    seen = {SETUP_ID} if any(is_setup_cell(cell) for cell in notebook.cells) else set()
    for position, cell in enumerate(notebook.cells):
        if is_setup_cell(cell):
            continue
        name = str(cell.get("id", ""))
        while not CELL_ID.fullmatch(name) or name in seen:
            # Position and content make an id that every machine finds alike; hashing again ends a clash.
            name = hashlib.sha256(f"{position}\0{cell.source}\0{name}".encode()).hexdigest()[:8]
        cell["id"] = name
        seen.add(name)
