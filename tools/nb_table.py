"""Write the tables of lessons in the README files from the lessons' own metadata."""

import re

from tools.nb_metadata import decimal, metadata_problems
from tools.nb_schema import badge, lesson_paths, read_notebook

BEGIN, END = "<!-- lessons:begin -->", "<!-- lessons:end -->"
BETWEEN = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
HEAD = "| Pelajaran | Yang Anda buat | Hasil | Menit | Colab |\n|---|---|---|---|---|"


def write_tables(root, repository):
    """Rewrite the table in the top README.md and in each chapter's.

    Returns:
        0, or 1 if a README is missing or has no markers.
    """
    status = 0
    for message, path, text in table_states(root, repository):
        if text is None:
            print(message)
            status = 1
        elif message:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"{path.relative_to(root)}: tabel ditulis ulang")
    return status


def table_states(root, repository):
    """Compare each README with what it should be.

    Args:
        root: Path of the repository.
        repository: the Repository that the badges point to.

    Returns:
        List of (problem or None, Path, new text or None where it cannot be written).
    """
    lessons = lesson_paths(root)
    folders = [root, *sorted({path.parent for path in lessons})]
    return [_state(folder, [p for p in lessons if folder in p.parents], root, repository) for folder in folders]


def lesson_table(paths, folder, *, root, repository):
    """Return the Markdown table of the lessons `paths`, with links relative to `folder`."""
    if not paths:
        return "Belum ada pelajaran."
    return "\n".join([HEAD, *(_row(path, folder, root, repository) for path in paths)])


def _state(folder, lessons, root, repository):
    path = folder / "README.md"
    name = path.relative_to(root).as_posix()
    if not path.is_file():
        return f"{name}: berkas tidak ada; tulis dengan {BEGIN} dan {END}", path, None
    text = path.read_text(encoding="utf-8")
    if len(BETWEEN.findall(text)) != 1:
        return f"{name}: tepat sepasang {BEGIN} dan {END} diharapkan", path, None
    inner = lesson_table(lessons, folder, root=root, repository=repository)
    new = BETWEEN.sub(lambda _: f"{BEGIN}\n{inner}\n{END}", text)
    problem = None if new == text else f"{name}: tabel pelajaran usang; jalankan `python -m tools.nb table`"
    return problem, path, new


def _row(path, folder, root, repository):
    name = path.relative_to(root).as_posix()
    lesson = read_notebook(path).metadata.get("lesson")
    problems = metadata_problems(lesson)
    if problems:
        return f"| {name} | {problems[0]} | | | |"
    specs = lesson["results"].values()
    results = "; ".join(f"{spec['label']}: {decimal(spec['value'])}" for spec in specs if "value" in spec)
    link = f"[{lesson['title']}]({path.relative_to(folder).as_posix()})"
    return f"| {link} | {lesson['builds']} | {results} | {lesson['minutes']} | {badge(repository, name)} |"
