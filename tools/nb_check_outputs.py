"""Check what a lesson's cells show: complete, in order, and nothing that only one machine or one day can show."""

import re

from tools.nb_outputs import is_progress

ALLOWED = {"text/plain", "image/png", "image/jpeg"}
PICTURES = {"image/png", "image/jpeg"}
SOUND = re.compile(  # what IPython.display.Audio makes of a WAV file: the one HTML that a lesson needs
    r'\s*<audio\b[^<>]*>\s*<source src="data:audio/wav;base64,[\w+/=]+" type="audio/wav" ?/>[^<>]*</audio>\s*'
)
TRAINING_FIGURES, OTHER_FIGURES = 4, 3
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:home|root|Users|work|tmp|var/folders)/|\b[A-Z]:\\+(?:Users|Windows|Program)")
ADDRESS = re.compile(r"https?://\S+")
TIMESTAMP = re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d|(?<!\d)\d\d:\d\d:\d\d(?!\d)")
OBJECT_ADDRESS = re.compile(r"\bat 0x[0-9a-f]{6,}")


def output_problems(lesson):
    """Yield (cell number, problem) for the outputs of a Lesson."""
    count = figures = 0
    for number, cell in enumerate(lesson.notebook.cells, 1):
        for message in _path_problems(cell.source, "sumber"):
            yield number, message
        if cell.cell_type != "code":
            continue
        count += 1
        if cell.execution_count != count:
            yield number, f"belum dijalankan berurutan: nomor {count} diharapkan, ternyata {cell.execution_count}"
        for output in cell.outputs:
            figures += bool(PICTURES & set(output.get("data", {})))
            for message in _problems(output):
                yield number, message
    wanted = TRAINING_FIGURES if lesson.results else OTHER_FIGURES
    if figures < wanted:
        yield None, f"paling sedikit {wanted} gambar diharapkan, ternyata {figures}"


def _problems(output):
    if output.output_type == "error":
        yield f"keluaran galat {output.ename}: tangkap dan cetak pesannya, atau perbaiki"
        return
    data = output.get("data", {})
    for kind in set(data) - ALLOWED:
        if not (kind == "text/html" and SOUND.fullmatch(data[kind])):
            yield f"keluaran {kind} tidak boleh; cukup teks, PNG, JPEG, atau bunyi WAV"
    text = output.get("text", "") or data.get("text/plain", "")
    yield from _path_problems(text, "keluaran")
    if TIMESTAMP.search(text):
        yield f"keluaran memuat waktu {TIMESTAMP.search(text).group()!r}"
    if OBJECT_ADDRESS.search(text):
        yield f"keluaran memuat alamat objek {OBJECT_ADDRESS.search(text).group()!r}; akhiri sel dengan titik koma"
    if output.get("name") == "stderr":
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 or not is_progress(text):
            yield f"stderr hanya boleh satu bilah kemajuan, ternyata {lines[0][:80]!r}"


def _path_problems(text, where):
    found = MACHINE_PATH.search(ADDRESS.sub("", text))
    if found:
        yield f"{where} memuat jalur mesin {found.group()!r}"
