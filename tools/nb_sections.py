"""Cut a notebook into its sections: the H2 headings and what stands under each."""

import re
from dataclasses import dataclass

from tools.nb_schema import SECTIONS, is_setup_cell

FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True)
class Segment:
    """Hold one piece of a notebook: a code cell, or the part of a Markdown cell between two H2 headings.

    Attributes:
        section: the member of SECTIONS it belongs to; any other heading whole; "" before the first.
        cell: number of the cell, counted from 1.
        kind: "code", "setup" or "markdown".
        source: the text.
    """

    section: str
    cell: int
    kind: str
    source: str


def segments(notebook):
    """Yield the Segments of a notebook in order."""
    section = ""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            yield Segment(section, number, "setup" if is_setup_cell(cell) else "code", cell.source)
        elif cell.cell_type == "markdown":
            for heading, text in _split_at_headings(cell.source):
                section = _section_name(heading) if heading else section
                yield Segment(section, number, "markdown", text)


def headings(notebook):
    """Return the H2 headings of a notebook as [(cell number, heading text), ...]."""
    return [
        (number, heading)
        for number, cell in enumerate(notebook.cells, 1)
        if cell.cell_type == "markdown"
        for heading, _ in _split_at_headings(cell.source)
        if heading
    ]


def matches(section, heading):
    """Tell whether `heading` is `section`, or `section` with words after it ("Dari nol: dua lapisan")."""
    return re.match(re.escape(section) + r"(?!\w)", heading) is not None


def section_of(notebook, number):
    """Return the section of cell `number` (from 1) for messages."""
    names = [segment.section for segment in segments(notebook) if segment.cell <= number]
    return names[-1] if names and names[-1] else "pembuka"


def _section_name(heading):
    return next((section for section in SECTIONS if matches(section, heading)), heading)


def _split_at_headings(source):
    pieces, heading, lines, fenced = [], None, [], False
    for line in source.split("\n"):
        fenced ^= FENCE.match(line) is not None
        if line.startswith("## ") and not fenced:
            pieces.append((heading, "\n".join(lines)))
            heading, lines = line[3:].strip(), []
        lines.append(line)
    pieces.append((heading, "\n".join(lines)))
    return [(name, text) for name, text in pieces if name or text.strip()]
