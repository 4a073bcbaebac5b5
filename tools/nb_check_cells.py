"""Check the cells of a lesson one by one: code that parses and is current, links that lead somewhere."""

import ast
import re

from tools.nb_prose import links
from tools.nb_schema import is_setup_cell

EXEMPT = re.compile(r"#\s*bebas periksa:\s*\S")

STALE = (
    (r"\bPRNGKey\(", "jax.random.key"),
    (r"\bjax\.tree_(map|leaves|flatten|unflatten|structure)\b", "jax.tree.…"),
    (r"\bjax\.tree_util\.tree_(map|leaves|flatten|unflatten|structure)\b", "jax.tree.…"),
    (r"\bexperimental\.(shard_map|pjit|maps)\b|\bexperimental import (shard_map|pjit|maps)\b", "jax.shard_map"),
    (r"\bdevice_put_(replicated|sharded)\b", "jax.device_put dengan NamedSharding"),
    (r"^\s*with mesh\b", "jax.set_mesh"),
    (r"\btime\.process_time\(", "time.perf_counter"),
    (r"\bnnx\.view\(", "model.train() dan model.eval()"),
    (r"\.get_value\(", "param[...]"),
    (r"\bmp_prefetch\(|\bworker_count\s*=\s*[1-9]", "Grain tanpa proses pekerja"),
    (r"\bimport orbax\.checkpoint as\b", "from orbax.checkpoint import v1 as ocp"),
    (r"\btqdm\.(notebook|auto)\b", "from tqdm import tqdm"),
    (r"^\s*[%!]", "Python biasa, bukan perintah IPython"),
)


def code(lesson):
    """Yield code cells that are empty, do not parse or use a stale name."""
    for number, cell in enumerate(lesson.notebook.cells, 1):
        if cell.cell_type != "code":
            continue
        if not cell.source.strip():
            yield number, "sel kode kosong; hapus"
        try:
            tree = ast.parse(cell.source)
        except SyntaxError as error:
            yield number, f"kode tidak dapat diurai: {error.msg} (baris {error.lineno})"
        else:
            if not is_setup_cell(cell) and any(_can_pass_unnoticed(node) for node in _outside_functions(tree)):
                yield number, "try tanpa else: tambahkan 'else: raise AssertionError(…)' bagi galat yang tidak muncul"
        if "raises-exception" in cell.metadata.get("tags", []):
            yield number, "tag raises-exception: tangkap galatnya dan cetak pesannya"
        for line in cell.source.split("\n"):
            if EXEMPT.search(line):
                continue
            for pattern, better in STALE:
                if re.search(pattern, line):
                    yield number, f"nama usang di {line.strip()!r}; pakai {better}"


def _outside_functions(node):
    """Yield the nodes below `node` that run with the cell, so not those of functions and classes."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield child
            yield from _outside_functions(child)


def _can_pass_unnoticed(node):
    """Tell whether `node` expects an error and is silent where none comes."""
    if not isinstance(node, ast.Try) or not node.handlers:
        return False
    return not node.orelse and not isinstance(node.body[-1], ast.Raise | ast.Assert)


def markdown(lesson):
    """Yield attachments, raw headings out of place, broken links and pictures without words."""
    for number, cell in enumerate(lesson.notebook.cells, 1):
        if cell.cell_type != "markdown":
            if cell.cell_type == "raw":
                yield number, "sel raw tidak dipakai; jadikan Markdown"
            continue
        if cell.get("attachments") or "](attachment:" in cell.source:
            yield number, "gambar lampiran tidak tampil di Colab; hasilkan gambar dengan kode"
        if number > 1 and re.search(r"^# ", re.sub(r"(?ms)^```.*?^```", "", cell.source), re.MULTILINE):
            yield number, "judul '# …' hanya di sel pertama"
        for picture, label, target in links(cell.source):
            for message in _link_problems(lesson, picture, label, target):
                yield number, message


def _link_problems(lesson, picture, label, target):
    if picture and not label.strip():
        yield f"gambar {target[:60]!r} tanpa teks alternatif"
    if target.startswith(("https://", "http://", "mailto:", "attachment:", "#")):
        return
    if picture:
        yield f"gambar {target[:60]!r} tidak tampil di Colab; pakai https atau hasilkan dengan kode"
    elif not target or target.startswith(("/", "data:")) or ":" in target:
        yield f"tautan {target[:60]!r}: https atau jalur relatif diharapkan"
    elif not (lesson.path.parent / target.partition("#")[0]).exists():
        yield f"tautan {target!r}: berkas tidak ada"
