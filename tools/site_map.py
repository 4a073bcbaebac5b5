"""Draw the map of prerequisites: an SVG in which every lesson is a link."""

import html

from tools.nb_schema import ROOT, read_notebook

COLUMN, ROW, BOX, LETTER = 190, 46, (168, 34), 6.2  # pixels: pitch of columns and rows, size of a box, mean letter


def prerequisite_map(paths):
    """Return the SVG.

    Args:
        paths: Paths of the lessons, in order.

    Returns:
        HTML: chapters are columns, lessons rows; an arrow goes from a prerequisite to the lesson that needs it.
    """
    lessons = {
        path.relative_to(ROOT).with_suffix("").as_posix(): read_notebook(path).metadata["lesson"] for path in paths
    }
    chapters = sorted({name.partition("/")[0] for name in lessons})
    places = {}
    for column, chapter in enumerate(chapters):
        for row, name in enumerate(name for name in lessons if name.startswith(f"{chapter}/")):
            places[name] = (10 + column * COLUMN, 40 + row * ROW)
    width = 10 + len(chapters) * COLUMN
    height = 50 + ROW * max(sum(name.startswith(f"{chapter}/") for name in lessons) for chapter in chapters)
    parts = [
        f'<svg class="peta" viewBox="0 0 {width} {height}" role="group">',
        '<defs><marker id="panah" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="6" markerHeight="6" '
        'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
    ]
    for column, chapter in enumerate(chapters):
        parts.append(f'<text class="bab" x="{10 + column * COLUMN}" y="22">{chapter}</text>')
    for name, lesson in lessons.items():
        parts += [_arrow(places[before], places[name], before, name) for before in lesson["prerequisites"]]
    parts += [_box(name, lesson, places[name]) for name, lesson in lessons.items()]
    return "\n".join([*parts, "</svg>"])


def _arrow(start, end, before, after):
    (x0, y0), (x1, y1), (width, height) = start, end, BOX
    facts = f'class="jalan" data-dari="{before}" data-ke="{after}"'
    if x0 == x1:  # within a chapter: along the left edge
        middle = f"C{x0 - 12} {y0 + height / 2} {x1 - 12} {y1 + height / 2}"
        return f'<path {facts} d="M{x0} {y0 + height / 2}{middle} {x1} {y1 + height / 2}" marker-end="url(#panah)"/>'
    left, right, bend = x0 + width, x1, (x1 - x0 - width) / 2
    curve = f"C{left + bend} {y0 + height / 2} {right - bend} {y1 + height / 2}"
    return f'<path {facts} d="M{left} {y0 + height / 2}{curve} {right} {y1 + height / 2}" marker-end="url(#panah)"/>'


def _box(name, lesson, place):
    (x, y), (width, height) = place, BOX
    number = name.partition("/")[2][:2]
    title = f"{number} {lesson['title']}"
    room = int((width - 12) / LETTER)
    shown = title if len(title) <= room else title[: room - 1].rstrip() + "…"
    return (
        f'<a href="{name}.html" data-pelajaran="{name}"><title>{html.escape(title)}, {lesson["minutes"]} menit</title>'
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
        f'<text x="{x + 8}" y="{y + height / 2 + 4}">{html.escape(shown)}</text></a>'
    )
