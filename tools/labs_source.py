"""Read the source of a lab: its tasks, their checks, and the student edition made from it.

The source is `N-chapter/lab/lab-N-chapter-solution.ipynb`. The first line of a cell says what it is, so that a cell
is known even where an editor has dropped all metadata:

    # Tugas softmax               the student's code; between `# BEGIN SOLUTION: hint` and `# END SOLUTION` the answer
    # Periksa softmax             checks, points in the metadata; `# BEGIN HIDDEN TESTS` ... `# END HIDDEN TESTS`
    # Identitas                   NIM and NAMA
    # Peragaan                    runs in the student's notebook only, for instance a plot of what the tasks gave
    **Jawaban penyelidikan.**     a written answer, in Markdown; `<!-- BEGIN SOLUTION -->`, `<!-- BEGIN RUBRIC -->`

All other code cells are given: they run for the student and for the judge.
"""

import ast
import copy
import hashlib
import re
import textwrap
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import nbformat

from tools.nb_schema import ROOT, LessonError, is_setup_cell, read_notebook, read_repository, setup_source

LAB_PATTERN = "[1-6]-*/lab/lab-*-solution.ipynb"
TITLES = {"Tugas": "answer", "Periksa": "check", "Identitas": "identity", "Peragaan": "demo"}
CODE_TITLE = re.compile(r"# (Tugas|Periksa|Identitas|Peragaan)(?: ([a-z0-9-]+))?\s*$")
WRITTEN_TITLE = re.compile(r"\*\*Jawaban ([a-z0-9-]+)\.\*\*\s*$")
REGION = (
    r"(?ms)^(?P<indent>[ \t]*){begin} BEGIN {name}(?:: (?P<hint>[^\n]*?))?{end}\n"
    r"(?P<body>.*?)^[ \t]*{begin} END {name}{end}$\n?"
)
SOLUTION = re.compile(REGION.format(begin="#", name="SOLUTION", end="[ \t]*"))
HIDDEN = re.compile(REGION.format(begin="#", name="HIDDEN TESTS", end="[ \t]*"))
WRITTEN = re.compile(REGION.format(begin="<!--", name="SOLUTION", end=" -->"))
RUBRIC = re.compile(REGION.format(begin="<!--", name="RUBRIC", end=" -->"))
MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|RUBRIC)")
PLACEHOLDER = "*Tulis jawaban Anda di sini.*\n"
FULL_POINTS = 100
WIDTH = 88  # columns of a line of code


@dataclass(frozen=True)
class LabCell:
    """One cell of a lab.

    Attributes:
        kind: "text", "setup", "given", "demo", "identity", "answer", "check" or "written".
        task: the task that an answer, a check or a written answer belongs to.
        source: as in the source notebook, markers included.
        facts: of a check or a written answer: "points", and where given "seconds", "hint", "lesson",
            "forbidden" (names that the answer must not use).
    """

    kind: str
    task: str
    source: str
    facts: dict = field(default_factory=dict)

    @property
    def student_source(self):
        """What the student edition shows."""
        if self.kind == "answer":
            return SOLUTION.sub(lambda found: _stub(found, self.task), self.source).rstrip("\n")
        if self.kind == "check":
            return HIDDEN.sub("", self.source).rstrip("\n")
        if self.kind == "written":
            return WRITTEN.sub(PLACEHOLDER, RUBRIC.sub("", self.source)).rstrip("\n")
        return self.source

    @property
    def code(self):
        """The code without marker lines: what a solution or a judge runs."""
        return "\n".join(line for line in self.source.split("\n") if not MARKER.search(line))

    @property
    def names(self):
        """Names that the top level of this code binds."""
        return bound_names(self.code)

    @property
    def rubric(self):
        """The rubric of a written answer."""
        found = RUBRIC.search(self.source)
        return found["body"].strip() if found else ""


@dataclass(frozen=True)
class Lab:
    """A lab as its source has it."""

    path: Path
    notebook: object
    cells: tuple[LabCell, ...]

    @property
    def name(self):
        """For instance "lab-2-mlp"."""
        return self.path.stem.removesuffix("-solution")

    @property
    def title(self):
        """The heading of the notebook."""
        return next(re.findall(r"(?m)^# (.+)$", cell.source)[0] for cell in self.cells if cell.kind == "text")

    @property
    def student_path(self):
        """Where the student edition lies."""
        return self.path.with_name(f"{self.name}.ipynb")

    @cached_property
    def digest(self):
        """SHA-256 of the source, in hexadecimal."""
        parts = [[cell.kind, cell.source, sorted(cell.facts.items())] for cell in self.cells]
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def of(self, *kinds):
        """Return the cells of these kinds, in order."""
        return [cell for cell in self.cells if cell.kind in kinds]

    @property
    def checks(self):
        """The check cells, in order."""
        return self.of("check")

    @property
    def points(self):
        """Points by checks, and points for written answers."""
        return tuple(sum(cell.facts.get("points", 0) for cell in self.of(kind)) for kind in ("check", "written"))

    def names_of(self, task):
        """Names that the answers of a task bind."""
        return sorted(set().union(*(cell.names for cell in self.of("answer") if cell.task == task)))


def lab_paths(root):
    """List the sources of all labs under `root`."""
    return sorted(root.glob(LAB_PATTERN))


def read_lab(path):
    """Read a lab.

    Args:
        path: Path of its source.

    Returns:
        `Lab`.

    Raises:
        LessonError: it is no notebook.
    """
    notebook = read_notebook(path)
    return Lab(path, notebook, tuple(map(_read_cell, notebook.cells)))


def with_standard_setup(lab):
    """Return the lab with the setup cell that every notebook has; its file is written when that changes it."""
    cells = [cell for cell in lab.notebook.cells if cell.cell_type == "code" and is_setup_cell(cell)]
    if all(cell.source == _standard_setup() for cell in cells):
        return lab
    for cell in cells:
        cell.source = _standard_setup()
    lab.path.write_text(nbformat.v4.writes(lab.notebook, indent=1) + "\n", encoding="utf-8", newline="\n")
    return read_lab(lab.path)


def problems_of(lab):
    """Return, in Indonesian, what is wrong with a lab's form; an empty list if nothing."""
    problems = []
    for number, cell in enumerate(lab.cells):
        if MARKER.search(cell.student_source):
            problems.append(f"sel {number}: penanda BEGIN/END tidak berpasangan")
    tasks = {cell.task for cell in lab.of("answer", "written")}
    for kind in ("check", "written"):
        ids = [cell.task for cell in lab.of(kind)]
        problems += [f"{kind} {task!r} muncul dua kali" for task in set(ids) if ids.count(task) > 1]
        problems += [f"{kind} {cell.task!r} tanpa points" for cell in lab.of(kind) if "points" not in cell.facts]
    problems += [f"tugas {task!r} tanpa pemeriksaan" for task in tasks - {c.task for c in lab.of("check", "written")}]
    problems += [f"pemeriksaan {cell.task!r} tanpa tugas" for cell in lab.checks if cell.task not in tasks]
    if any(cell.source != _standard_setup() for cell in lab.of("setup")):
        problems.append("sel persiapan bukan yang baku; jalankan `python -m tools.labs build`")
    if sum(lab.points) != FULL_POINTS:
        problems.append(f"jumlah nilai {sum(lab.points)}, seharusnya {FULL_POINTS}")
    return problems + _dependencies(lab)


def student_edition(lab):
    """Make the student edition.

    Returns:
        A notebook without solutions, hidden tests and outputs; its metadata hold "lab": name and hash of the source.

    Raises:
        LessonError: a line of a solution would survive in a cell.
    """
    notebook = copy.deepcopy(lab.notebook)
    for cell, part in zip(notebook.cells, lab.cells, strict=True):
        cell.source = part.student_source
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("outputs_of", None)
    notebook.metadata["lab"] = {"name": lab.name, "source_sha256": lab.digest}
    shown = "\n".join(cell.source for cell in notebook.cells)
    for line in _secret_lines(lab):
        if line in shown:
            raise LessonError(f"{lab.name}: baris jawaban {line!r} masih ada di edisi mahasiswa")
    return notebook


@cache
def _standard_setup():
    return setup_source(read_repository(ROOT))


def bound_names(code):
    """Names that the top level of a code binds by def, class, import or assignment; none if it does not parse."""
    return set().union(*map(names_bound_by, parsed(code)))


def parsed(code):
    """List the statements of a code; none if Python cannot parse it."""
    try:
        return ast.parse(code).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # besides slips: half characters, endless nesting
        return []


def names_bound_by(node):
    """Names that a statement binds by def, class, import or assignment, at any depth that the notebook can see."""
    names, left = set(), [node]
    while left:  # a loop, since students' sums may be nested deeper than functions may call themselves
        match node := left.pop():
            case ast.FunctionDef() | ast.ClassDef() | ast.AsyncFunctionDef():
                names.add(node.name)
            case ast.Import() | ast.ImportFrom():
                names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp() | ast.Lambda():
                continue  # their variables are not seen outside them
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case _:
                left += ast.iter_child_nodes(node)
    return names


def loaded_names(code):
    """Names that a code reads anywhere."""
    nodes = ast.walk(ast.parse(code))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def title_of(source):
    """Return (kind, task) of a code cell by its first line; kind "" where it has no title."""
    found = CODE_TITLE.match(source.lstrip().split("\n", 1)[0].rstrip())
    return (TITLES[found[1]], found[2] or "") if found else ("", "")


def _read_cell(cell):
    facts = dict(cell.metadata.get("lab", {}))
    if cell.cell_type != "code":
        found = WRITTEN_TITLE.match(cell.source.split("\n", 1)[0])
        return LabCell("written", found[1], cell.source, facts) if found else LabCell("text", "", cell.source)
    if is_setup_cell(cell):
        return LabCell("setup", "", cell.source)
    kind, task = title_of(cell.source)
    return LabCell(kind or "given", task, cell.source, facts)


def _stub(found, task):
    indent, hint = found["indent"], found["hint"] or "tulis jawaban Anda di sini"
    line = f'{indent}raise NotImplementedError("Tugas {task}: {hint}")\n'
    if len(line) <= WIDTH:
        return line
    room = WIDTH - len(indent) - len('    " "')
    pieces = textwrap.wrap(f"Tugas {task}: {hint}", room, break_on_hyphens=False)
    texts = "".join(f'{indent}    "{piece}{"" if piece is pieces[-1] else " "}"\n' for piece in pieces)
    return f"{indent}raise NotImplementedError(\n{texts}{indent})\n"


def _secret_lines(lab):
    """Lines that only solutions and hidden tests hold; a fault to be mended shares lines with its answer."""
    bodies = [found["body"] for cell in lab.of("answer") for found in SOLUTION.finditer(cell.source)]
    bodies += [found["body"] for cell in lab.checks for found in HIDDEN.finditer(cell.source)]
    public = {line.strip() for cell in lab.of("given", "text") for line in cell.source.split("\n")}
    public |= {line.strip() for cell in lab.checks for line in cell.student_source.split("\n")}
    lines = {line.strip() for body in bodies for line in body.split("\n")} - public
    return sorted(line for line in lines if len(line) > 25)  # shorter ones recur by chance


def _dependencies(lab):
    """A wrong answer may cost its own task only: no answer or check may read what another task's answer binds."""
    problems = []
    tasks = {cell.task for cell in lab.of("answer")}
    for cell in lab.of("answer", "check"):
        foreign = {name: task for task in tasks - {cell.task} for name in lab.names_of(task)}
        own = set(lab.names_of(cell.task))
        for name in sorted(loaded_names(cell.code) & foreign.keys() - own):
            problems.append(f"{cell.kind} {cell.task!r} memakai {name!r} dari tugas {foreign[name]!r}")
    return problems
