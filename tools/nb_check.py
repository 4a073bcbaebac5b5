"""Check one lesson against the anatomy: form, metadata, sections, sizes, links and the results it recorded."""

import io
import tokenize
from dataclasses import dataclass
from pathlib import Path

import nbformat

from tools.nb_check_cells import code, markdown
from tools.nb_check_outputs import output_problems
from tools.nb_format import format_text
from tools.nb_metadata import bound_text, code_hash, decimal, final_results, meets_bound, metadata_problems
from tools.nb_prose import count_words
from tools.nb_schema import SECTIONS, LessonError, Repository, badge, is_setup_cell, parse_notebook, setup_source
from tools.nb_sections import headings, matches, segments

CELLS = range(35, 56)
WORDS = range(1200, 2201)
STATEMENTS = 20  # lines of a cell when each statement stands on one: breaking a long one makes it no harder
HINTS = range(4, 5)
QUESTIONS = range(5, 7)
KILOBYTES = 400


@dataclass(frozen=True)
class Lesson:
    """Hold all that a check may look at.

    Attributes:
        path: Path of the file.
        root: Path of the repository.
        text: the file's JSON.
        notebook: the NotebookNode in it.
        repository: the Repository.
    """

    path: Path
    root: Path
    text: str
    notebook: nbformat.NotebookNode
    repository: Repository

    @property
    def name(self):
        """Return the path in the repository, with forward slashes."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def results(self):
        """Return the results of the metadata, name -> spec."""
        return self.notebook.metadata["lesson"]["results"]


def lesson_problems(path, *, root, repository):
    """Find everything wrong with the lesson at `path`.

    Returns:
        List of lines "path: sel N: problem", N counted from 1 and left out where a problem has no cell.
    """
    from tools.nb_results import seed_problems
    from tools.nb_spelling import spelling_problems

    text = path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix()
    try:
        lesson = Lesson(path, root, text, parse_notebook(text, name), repository)
        nbformat.validate(lesson.notebook)
    except LessonError as error:
        return [str(error)]
    except nbformat.ValidationError as error:
        return [f"{name}: bukan nbformat 4.5 yang sah: {error.message.splitlines()[0]}"]
    schema = metadata_problems(lesson.notebook.metadata.get("lesson"))
    problems = [(None, message) for message in schema]
    for find in (form, setup, sections, sizes, boxes, code, markdown, spelling_problems):
        problems += find(lesson)
    if not schema:
        for find in (minutes, prerequisites, output_problems, recorded, seed_problems):
            problems += find(lesson)
    return [f"{name}: {f'sel {cell}: ' if cell else ''}{message}" for cell, message in problems]


def table_problems(root, repository):
    """Find README files whose table of lessons is missing or out of date."""
    from tools.nb_table import table_states

    return [message for message, _, _ in table_states(root, repository) if message]


def form(lesson):
    """Yield what keeps the file from its canonical form and size."""
    canonical = format_text(lesson.text, path=lesson.path, root=lesson.root, repository=lesson.repository)
    if canonical != lesson.text:
        yield None, "belum dalam bentuk baku; jalankan `python -m tools.nb fmt`"
    size = len(lesson.text.encode()) / 1000
    if size > KILOBYTES:
        yield None, f"paling besar {KILOBYTES} kB, ternyata {size:.0f} kB; kecilkan gambar (dpi, tag 'jpeg')"
    if lesson.notebook.metadata.get("widgets"):
        yield None, "keadaan widget tersimpan; jalankan `run --write`"


def setup(lesson):
    """Yield what is wrong with the setup cell, the title and the badge."""
    cells = lesson.notebook.cells
    found = [number for number, cell in enumerate(cells, 1) if is_setup_cell(cell)]
    first = [number for number, cell in enumerate(cells, 1) if cell.cell_type == "code"][:1]
    if len(found) != 1 or found != first:
        yield None, f"tepat satu sel persiapan diharapkan, sebagai sel kode pertama; ternyata di sel {found}"
    elif cells[found[0] - 1].source != setup_source(lesson.repository):
        yield found[0], "sel persiapan berbeda dari bakunya; jalankan `python -m tools.nb fmt`"
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        yield 1, "sel pertama harus Markdown yang diawali judul '# …'"
    elif badge(lesson.repository, lesson.name) not in cells[0].source:
        yield 1, "lencana Colab tidak ada atau salah; jalankan `python -m tools.nb fmt`"


def sections(lesson):
    """Yield H2 sections that are missing, unknown or out of order."""
    found = headings(lesson.notebook)
    for cell, heading in found:
        if not any(matches(section, heading) for section in SECTIONS):
            yield cell, f"bagian '## {heading}' tidak dikenal; pakai ### di dalam bagian"
    order = [section for _, heading in found for section in SECTIONS if matches(section, heading)]
    for section in SECTIONS:
        if section not in order:
            yield None, f"bagian '## {section}' tidak ada"
    if len(set(order)) != len(order):
        yield None, f"bagian muncul dua kali: {', '.join(sorted({s for s in order if order.count(s) > 1}))}"
    elif order != [section for section in SECTIONS if section in order]:
        yield None, f"urutan bagian salah: {', '.join(order)}"


def sizes(lesson):
    """Yield counts of cells, words and lines of code that are out of range."""
    if len(lesson.notebook.cells) not in CELLS:
        yield None, _range_message("sel", CELLS, len(lesson.notebook.cells))
    pieces = [s for s in segments(lesson.notebook) if s.kind == "markdown" and s.section != "Kuis konsep"]
    words = sum(count_words(piece.source) for piece in pieces)
    if words not in WORDS:
        yield None, _range_message("kata prosa di luar kuis dan petunjuk", WORDS, words)
    for piece in segments(lesson.notebook):
        count = _statements(piece.source) if piece.kind == "code" else 0
        if count > STATEMENTS:
            yield piece.cell, f"paling banyak {STATEMENTS} pernyataan, ternyata {count}; pecah selnya"


def _statements(source):
    """Count the statements of a cell, each header of a block among them; 0 if it does not parse."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return 0  # another check says so
    return sum(token.type == tokenize.NEWLINE for token in tokens)


def boxes(lesson):
    """Yield what is missing of the prediction, the hints and the answers."""
    pieces = [piece for piece in segments(lesson.notebook) if piece.kind == "markdown"]
    if not any("**Tebak dulu" in piece.source for piece in pieces):
        yield None, "'**Tebak dulu**' tidak ada; minta pembaca menebak sebelum menjalankan"
    for section, allowed in (("Latihan", HINTS), ("Kuis konsep", QUESTIONS)):
        text = "\n".join(piece.source for piece in pieces if piece.section == section)
        opened, closed = text.count("<details>"), text.count("</details>")
        if opened not in allowed:
            yield None, _range_message(f"<details> di bagian '{section}'", allowed, opened)
        if not opened == closed == text.count("<summary>"):
            yield None, f"<details>, <summary>, </details> tidak berpasangan di bagian '{section}'"


def minutes(lesson):
    """Yield a head that names other minutes than the metadata."""
    promised = f"sekitar {lesson.notebook.metadata['lesson']['minutes']} menit"
    if not lesson.notebook.cells or promised not in lesson.notebook.cells[0].source:
        yield 1, f"kepala pelajaran harus menyebut '{promised}', seperti metadata lesson.minutes"


def prerequisites(lesson):
    """Yield prerequisites that are no lessons."""
    for name in lesson.notebook.metadata["lesson"]["prerequisites"]:
        if not (lesson.root / f"{name}.ipynb").is_file():
            yield None, f"metadata lesson.prerequisites: {name}.ipynb tidak ada"


def recorded(lesson):
    """Yield results that are missing, stale, or miss their bound."""
    saved = lesson.notebook.metadata["lesson"].get("code_hash")
    if saved != code_hash(lesson.notebook):
        yield None, "kode berubah sejak keluaran disimpan; jalankan `run --write`"
    if not lesson.results:
        return
    try:
        shown = final_results(lesson.notebook)
    except LessonError as error:
        yield None, str(error)
        return
    if set(shown) != set(lesson.results):
        yield None, f"hasil {sorted(lesson.results)} diharapkan, sel terakhir memberi {sorted(shown)}"
    for name, spec in lesson.results.items():
        if "value" not in spec or spec["value"] != shown.get(name):
            yield None, f"hasil {name}: tersimpan {spec.get('value')}, keluaran {shown.get(name)}"
        elif not meets_bound(spec, spec["value"]):
            yield None, f"hasil {name}: {bound_text(spec)} diharapkan, ternyata {decimal(spec['value'])}"


def _range_message(what, allowed, found):
    low, high = allowed.start, allowed.stop - 1
    return f"{what}: {low if low == high else f'{low}-{high}'} diharapkan, ternyata {found}"
