"""Try a lab before anybody uses it: the solution passes, the empty edition fails, wrong answers are refused."""

import ast
import copy
import re
from dataclasses import dataclass

import nbformat

from tools import labs_cage
from tools.labs_judge import CHECK_SECONDS, PASSED, Desk, Settings, given_namespace, mark_code
from tools.labs_source import problems_of, student_edition
from tools.labs_student import StudentError, StudentStopped
from tools.nb_execute import execute
from tools.nb_outputs import tidy_outputs
from tools.nb_schema import LessonError

NUMBER = "13521001"  # an example of a student
HEAD = re.compile(r"(?m)^# %% ([a-z0-9-]+) \| ([^|\n]+) \| ([^|\n]+)$")
NONSENSE = ("None", "True", "float('nan')", "'jawaban'", "[]")  # what no task may accept


@dataclass(frozen=True)
class WrongAnswer:
    """A known wrong answer.

    Attributes:
        task: the task it answers.
        name: what is wrong.
        message: words that the refusal must hold; empty where any refusal will do.
        code: stands for all answer cells of the task.
    """

    task: str
    name: str
    message: str
    code: str


def lab_faults(lab, root):
    """Return what is wrong with a lab, in Indonesian; an empty list if nothing.

    Args:
        lab: `Lab`.
        root: Path of the repository; wrong answers are in `tests/labs/<name of the lab>.py`.
    """
    if faults := [f"{lab.name}: {problem}" for problem in problems_of(lab)]:
        return faults
    settings = Settings(walls=not labs_cage.obstacle())
    return [f"{lab.name}: {fault}" for find in (_edition_faults, _score_faults) for fault in find(lab, settings)] + [
        f"{lab.name}: {fault}"
        for fault in wrong_answer_faults(lab, [*known_wrong_answers(lab, root), *nonsense(lab)], settings)
    ]


def has_own_outputs(lab):
    """Tell whether the outputs in a lab's source come from the code that is there."""
    return lab.notebook.metadata.get("outputs_of") == lab.digest


def store_outputs(lab):
    """Run a lab's source as a student would and write it with its outputs.

    Raises:
        LessonError: a cell failed.
    """
    notebook = copy.deepcopy(lab.notebook)
    execute(notebook, lab.path.parent)
    tidy_outputs(notebook)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when it ran
    notebook.metadata = lab.notebook.metadata | {"outputs_of": lab.digest}
    lab.path.write_text(nbformat.v4.writes(notebook, indent=1) + "\n", encoding="utf-8", newline="\n")


def known_wrong_answers(lab, root):
    """Read the known wrong answers of a lab.

    Raises:
        LessonError: the file is missing or a task has fewer than three.
    """
    path = root / "tests" / "labs" / f"{lab.name}.py"
    if not path.is_file():
        raise LessonError(f"{path} tidak ada: setiap tugas memerlukan sedikitnya tiga jawaban salah")
    parts = HEAD.split(path.read_text(encoding="utf-8"))
    answers = [
        WrongAnswer(task, name.strip(), message.strip(), code)
        for task, name, message, code in zip(*(parts[start::4] for start in (1, 2, 3, 4)), strict=True)
    ]
    for task in {cell.task for cell in lab.checks}:
        if sum(answer.task == task for answer in answers) < 3:
            raise LessonError(f"{path}: tugas {task!r} memerlukan sedikitnya tiga jawaban salah")
    return answers


def nonsense(lab):
    """Make answers that have the right names and no sense."""
    answers = []
    for task in dict.fromkeys(cell.task for cell in lab.of("answer")):
        for value in NONSENSE:
            lines = []
            for name in lab.names_of(task):
                is_function = name in _functions(lab, task)
                lines.append(f"{name} = lambda *_, **__: {value}" if is_function else f"{name} = {value}")
            answers.append(WrongAnswer(task, f"selalu {value}", "", "\n".join(lines)))
    return answers


def wrong_answer_faults(lab, answers, settings):
    """Yield a line for every wrong answer that passes or is refused with other words than expected."""
    desk = Desk(lab, [], NUMBER, settings)
    namespace = given_namespace(lab, NUMBER)
    checks = {cell.task: cell for cell in lab.checks}
    try:
        for answer in answers:
            if desk.student is None:
                desk.make_ready()
                desk.student.mark()
            status, message = _judge(desk, checks[answer.task], namespace, answer.code)
            if status == PASSED:
                yield f"{answer.task}: jawaban salah {answer.name!r} diterima"
            elif answer.message.lower() not in message.lower():
                yield f"{answer.task}: {answer.name!r} ditolak dengan {message!r}, tanpa {answer.message!r}"
    finally:
        desk.close()


def _judge(desk, check, namespace, code):
    desk.cells = [(f"Tugas {check.task}", code)]
    try:
        desk.student.reset()
        desk.student.run(*reversed(desk.cells[0]), CHECK_SECONDS)
        desk.student.deadline = desk.student.deadline_in(check.facts.get("seconds", CHECK_SECONDS))
        return desk.check(check, dict(namespace))
    except StudentError as error:
        return "gagal", str(error)
    except StudentStopped as error:
        desk.close()
        return "gagal", str(error)
    finally:
        desk.cells = []  # a process made anew starts without any answer


def _edition_faults(lab, settings):
    if not has_own_outputs(lab):
        yield "keluaran notebook sumber tertinggal; jalankan `python -m tools.labs build`"
    text = nbformat.v4.writes(student_edition(lab), indent=1) + "\n"
    if not lab.student_path.is_file() or lab.student_path.read_text(encoding="utf-8") != text:
        yield "edisi mahasiswa tertinggal; jalankan `python -m tools.labs build`"


def _score_faults(lab, settings):
    solution = [(f"Tugas {cell.task}", cell.code) for cell in lab.of("answer")]
    for entry in mark_code(lab, solution, NUMBER, settings)[0]:
        if entry["status"] != PASSED:
            yield f"jawaban sumber tidak lulus {entry['task']}: {entry['message']}"
    empty = [(f"Tugas {cell.task}", cell.student_source) for cell in lab.of("answer")]
    for entry in mark_code(lab, empty, NUMBER, settings)[0]:
        if entry["earned"]:
            yield f"edisi mahasiswa yang kosong lulus {entry['task']}"


def _functions(lab, task):
    trees = [ast.parse(cell.code) for cell in lab.of("answer") if cell.task == task]
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {node.name for tree in trees for node in tree.body if isinstance(node, kinds)}
