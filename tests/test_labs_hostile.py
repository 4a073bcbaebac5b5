"""Submissions that are damaged or mean harm: each is marked fairly, none gains a point, nothing of it stays."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from lab_samples import RIGHT, hand_in, write_lab

from tools import labs_cage
from tools.labs_judge import MISSING, PASSED, STOPPED, Desk, Settings, mark_file
from tools.labs_student import Limits
from tools.labs_submission import read_submission, student_cells
from tools.nb_schema import ROOT

pytestmark = pytest.mark.slow
WALLS = not labs_cage.obstacle()
SETTINGS = Settings(walls=WALLS, limits=Limits(memory=600 * 2**20, output=2**20, processes=20, cell=1.5))


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """Fail if a process that lives in the folder of a test is there after it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    deadline = time.monotonic() + 5
    while left := [process for process in psutil.process_iter() if lives_in(process, tmp_path)]:
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.1)


def lives_in(process, folder):
    try:
        return str(folder) in " ".join([process.cwd(), *process.cmdline()])
    except psutil.Error:
        return False


def marks(tmp_path, answers, **options):
    """Mark a submission; return {task: entry} and the row."""
    path = hand_in(tmp_path / "kumpulan", "13521001.ipynb", answers, **options)
    row = mark_file(write_lab(tmp_path).path, path, SETTINGS)
    return {entry["task"]: entry for entry in row["tasks"]}, row


def earned(entries):
    return sum(entry["earned"] for entry in entries.values())


def test_right_answers_earn_everything_and_untouched_ones_nothing(tmp_path):
    assert earned(marks(tmp_path, RIGHT)[0]) == 90
    entries, row = marks(tmp_path, ())
    assert earned(entries) == 0 and {entry["status"] for entry in entries.values()} == {MISSING}
    assert row["written"] == {"alasan": "Mengapa?\n\nKarena perkalian."}


def test_refusals_say_what_was_expected(tmp_path):
    entries, _ = marks(tmp_path, RIGHT | {"kuadrat": "# Tugas kuadrat\ndef square(x):\n    return 2 * x"})
    assert entries["kuadrat"]["message"] == "kuadrat -3 harus 9" and earned(entries) == 30
    entries, _ = marks(tmp_path, RIGHT | {"kuadrat": "# Tugas kuadrat\ndef square(x):\n    return x / 0"})
    assert "ZeroDivisionError: division by zero (Tugas kuadrat, baris 3)" in entries["kuadrat"]["message"]


def test_variant_goes_by_the_number(tmp_path):
    wrong = RIGHT | {"geser": "# Tugas geser\nshifted = sum(map(ord, '13521001')) % 7 + 10"}
    assert earned(marks(tmp_path, wrong)[0]) == 90
    assert earned(marks(tmp_path, wrong, number="13521002")[0]) == 60


def rewrite(path, change):
    notebook = json.loads(path.read_text())
    change(notebook)
    path.write_text(json.dumps(notebook))


def reverse(notebook):
    notebook["cells"].reverse()


def repeat_stubs(notebook):
    stub = '# Tugas kuadrat\ndef square(x):\n    raise NotImplementedError("Tugas kuadrat: kalikan x dengan dirinya")'
    notebook["cells"] += notebook["cells"] + [{"cell_type": "code", "source": stub}]


def lose_titles(notebook):
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace("# Tugas kuadrat\n", "")


def edit_checks(notebook):
    for cell in notebook["cells"]:
        if cell["source"].startswith("# Periksa"):
            cell["source"] = cell["source"].split("\n")[0] + "\nwhile False: pass"


def drop_checks(notebook):
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["source"].startswith("# Periksa")]


def old_format(notebook):
    cells = [
        cell if cell["cell_type"] != "code" else cell | {"input": cell.pop("source")} for cell in notebook["cells"]
    ]
    notebook |= {"nbformat": 3, "worksheets": [{"cells": cells}]}
    del notebook["cells"]


def split_lines(notebook):
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
    notebook["cells"] += [None, 3, {"cell_type": "code"}, {"cell_type": "code", "source": 5}]


DAMAGES = (reverse, repeat_stubs, lose_titles, edit_checks, drop_checks, old_format, split_lines)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_notebooks_keep_their_points(tmp_path, damage):
    path = hand_in(tmp_path / "kumpulan", "Siti Aminah – tugas ñ.ipynb", RIGHT)
    rewrite(path, damage)
    row = mark_file(write_lab(tmp_path).path, path, SETTINGS)
    assert sum(entry["earned"] for entry in row["tasks"]) == 90 and row["number"] == "13521001"


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7 \xff", b"[1, 2]", b'{"cells": 3}', b"{" * 100_000])
def test_what_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "laporan 13521001.ipynb"
    path.write_bytes(content)
    row = mark_file(write_lab(tmp_path).path, path, SETTINGS)
    assert row["notes"][0].startswith("bukan notebook") and not any(entry["earned"] for entry in row["tasks"])


STRANGE = {
    "sheet that is none": {"worksheets": [1]},
    "sheet without cells": {"worksheets": [{"cells": None}]},
    "number of many digits": {"cells": [{"cell_type": "code", "source": "NIM = 0x" + "f" * 5000}]},
}


@pytest.mark.parametrize("content", STRANGE.values(), ids=STRANGE.keys())
def test_strange_notebooks_are_marked(tmp_path, content):
    path = tmp_path / "13521001.ipynb"
    path.write_text(json.dumps(content))
    row = mark_file(write_lab(tmp_path).path, path, SETTINGS)
    assert row["number"] == "13521001" and not any(entry["earned"] for entry in row["tasks"])


def test_code_nested_too_deeply_for_analysis_costs_nothing(tmp_path):
    path = hand_in(tmp_path / "kumpulan", "13521001.ipynb", RIGHT)
    source = "total = " + " + ".join(["1"] * 1200) + "\nhalf = '\\ud83d'\nraise ValueError(half)"
    rewrite(path, lambda notebook: notebook["cells"].append({"cell_type": "code", "source": source}))
    row = mark_file(write_lab(tmp_path).path, path, SETTINGS)
    assert sum(entry["earned"] for entry in row["tasks"]) == 90
    assert any("ValueError" in note for note in row["notes"])
    assert json.dumps(row, ensure_ascii=False).encode()


EACH_STREAM = "import os\nfor number in range(3, 40):\n    try:\n        os.{}\n    except OSError:\n        pass"
SLEEPER = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"
ENDINGS = {
    "endless loop": "while True:\n    pass",
    "endless loop that ignores interrupts": "import signal\nsignal.signal(2, signal.SIG_IGN)\nwhile True:\n    pass",
    "exit": "import sys\nsys.exit()",
    "hard exit": "import os\nos._exit(0)",
    "kill": "import os\nos.kill(os.getpid(), 9)\nos.kill(os.getppid(), 9)\nos._exit(1)",
    "memory": "hold = []\nwhile True:\n    hold.append(bytearray(10**8))",
    "output": "while True:\n    print('x' * 10**6)",
    "fork bomb": "import os\nwhile True:\n    os.fork()",
    "child that stays": SLEEPER,
    "streams closed": EACH_STREAM.format("close(number)"),
    "streams soiled": EACH_STREAM.format("write(number, b'x' * 100)"),
    "answers that nobody has asked for": (
        "import json, threading\nanswer = json.dumps({'value': 'x' * 10**6}).encode()\n"
        "answer = len(answer).to_bytes(8, 'big') + answer\ndef flood():\n    while True:\n        "
        + EACH_STREAM.format("write(number, answer)").replace("\n", "\n        ")
        + "\nthreading.Timer(0.2, flood).start()"
    ),
    "daemon": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(600)\n"
        "    os._exit(0)\nos.wait()"
    ),
}
NEEDS_WALLS = pytest.mark.skipif(not WALLS, reason="would hit this machine itself: needs Linux namespaces")


def endings(*left_out):
    """List the endings as parameters; those that reach beyond their own process run behind walls only."""
    marks = {name: [NEEDS_WALLS] for name in ("kill", "fork bomb")}
    kept = {name: code for name, code in ENDINGS.items() if name not in left_out}
    return [pytest.param(code, id=name, marks=marks.get(name, [])) for name, code in kept.items()]


@pytest.mark.parametrize("code", endings())
def test_a_cell_that_ends_or_floods_costs_nothing_else(tmp_path, code):
    path = hand_in(tmp_path / "kumpulan", "13521001.ipynb", RIGHT)
    rewrite(path, lambda notebook: notebook["cells"].append({"cell_type": "code", "source": code}))
    row = mark_file(write_lab(tmp_path).path, path, SETTINGS)
    assert sum(entry["earned"] for entry in row["tasks"]) == 90


@pytest.mark.parametrize("code", endings("exit", "child that stays"))
def test_an_answer_that_does_so_costs_its_own_task(tmp_path, code):
    body = "\n".join(f"    {line}" for line in code.split("\n"))
    entries, _ = marks(tmp_path, RIGHT | {"kuadrat": f"# Tugas kuadrat\ndef square(x):\n{body}"})
    assert earned(entries) == 30 and entries["geser"]["status"] == PASSED


ATTACKS = {
    "hook of IPython": (
        "def fake(*_):\n    return None\nshell = get_ipython()\nshell.events.register('pre_run_cell', fake)\n"
        "shell.input_transformers_cleanup.append(lambda lines: [])\nsquare = lambda x: 4"
    ),
    "patched numpy": "import numpy as np\nnp.allclose = lambda *a, **k: True\nsquare = lambda x: x + 2",
    "patched builtins": "import builtins\nbuiltins.AssertionError = ValueError\nsquare = lambda x: 4",
    "lying equality": (
        "class Liar:\n    __eq__ = __ge__ = __le__ = lambda *_: True\n    __array__ = lambda self, *a, **k: 9\n"
        "    __bool__ = lambda self: True\nsquare = lambda x: Liar()\nshifted = Liar()"
    ),
    "printed results": "print('{\"value\": 4}')\nprint('lulus 60/60')\nsquare = lambda x: 4",
    "patched encoder": (
        "import labs_values, labs_worker\nlabs_worker.encode = lambda *_, **__: {'kind': 'object', 'number': 0, "
        "'type': 'x', 'callable': True}\nsquare = lambda x: 4"
    ),
    "walk of frames": (
        "import sys\nframe = sys._getframe()\nwhile frame:\n    for name, value in list(frame.f_locals.items()):\n"
        "        if 'Periksa' in repr(value):\n            found = value\n    frame = frame.f_back\nsquare = found"
    ),
    "code of the garbage collector": (
        "import gc\nfound = [o for o in gc.get_objects() if isinstance(o, dict) and 'expected' in o]\n"
        "square = lambda x: found[0]['expected']"
    ),
}


@pytest.mark.parametrize("code", ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_gain_nothing(tmp_path, code):
    assert earned(marks(tmp_path, [code])[0]) == 0


@NEEDS_WALLS
def test_walls_hide_files_network_and_processes(tmp_path):
    lab = write_lab(tmp_path)
    other = hand_in(tmp_path / "kumpulan", "13521999.ipynb", RIGHT)
    spy = f"""
import os, pathlib, socket
seen = []
for path in ({str(lab.path)!r}, {str(other)!r}, {str(ROOT / "tools/labs_judge.py")!r}, "/etc/passwd"):
    try:
        seen.append((path, pathlib.Path(path).read_bytes()[:10]))
    except OSError:
        pass
folders = filter(os.path.isdir, ({str(ROOT)!r}, "/home", "/root"))
around = [os.path.join(folder, name) for folder in folders for name in os.listdir(folder)]
try:
    socket.create_connection(("127.0.0.1", 22), timeout=1)
    seen.append("network")
except OSError:
    pass
for attempt in (lambda: open("/usr/new", "w"), lambda: os.setuid(0), lambda: os.mknod("/tmp/disk", 0o60666, 0x800)):
    try:
        attempt()
        seen.append(attempt)
    except OSError:
        pass
numbers = sorted(int(name) for name in os.listdir("/proc") if name.isdigit())
"""
    path = hand_in(tmp_path / "mata-mata", "13521001.ipynb", [spy])
    desk = Desk(lab, student_cells(read_submission(path), lab), "13521001", SETTINGS)
    try:
        desk.make_ready()
        assert desk.notes == []
        assert desk.student.get("seen") == []
        needed = [Path(path) for path in labs_cage.folders_to_show()]
        around = desk.student.get("around")
        assert all(any(path.is_relative_to(found) for path in needed) for found in around), around
        assert desk.student.get("numbers") == [1]
    finally:
        desk.close()
    assert os.path.isfile(lab.path)


@NEEDS_WALLS
@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount")
def test_a_file_system_inside_a_visible_folder_is_read_only_too(tmp_path):
    inner = tmp_path / "tampak" / "disk dalam"
    inner.mkdir(parents=True)
    program = f"""
import subprocess
from tools import labs_cage
from tools.labs_student import Student
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=777", "tmpfs", {str(inner)!r}], check=True)
shown = labs_cage.folders_to_show()
labs_cage.folders_to_show = lambda: [*shown, {str(inner.parent)!r}]
with Student(walls=True) as student:
    try:
        student.run("open({str(inner / "jejak")!r}, 'w')", "sel 1", 5)
    except Exception as error:
        print(error)
"""
    command = ["unshare", "--mount", sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Read-only file system" in done.stdout


def test_slow_answers_meet_the_limit_of_their_check(tmp_path):
    entries, _ = marks(tmp_path, RIGHT | {"kuadrat": "# Tugas kuadrat\ndef square(x):\n    while True:\n        pass"})
    assert entries["kuadrat"]["status"] == STOPPED and "batas waktu" in entries["kuadrat"]["message"]
    assert earned(entries) == 30


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
@pytest.mark.parametrize("walls", [pytest.param(True, marks=NEEDS_WALLS), False])
def test_a_judge_that_is_killed_leaves_nothing(tmp_path, walls):
    program = f"""
import tempfile
tempfile.tempdir = {str(tmp_path)!r}
from tools.labs_student import Student
student = Student(walls={walls})
print("ready", flush=True)
student.run("while True: pass", "sel 1", 600)
"""
    judge = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert judge.stdout.readline() == "ready\n"
    assert any(lives_in(process, tmp_path) for process in psutil.Process(judge.pid).children(recursive=True))
    judge.kill()
    judge.wait()
    judge.stdout.close()
