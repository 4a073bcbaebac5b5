"""The guide for instructors names what exists."""

import json
import re

from tools.labs_report import CLASS, FEEDBACK, MARKS, WRITTEN
from tools.labs_source import lab_paths
from tools.nb_schema import ROOT, lesson_paths

GUIDE = (ROOT / "docs" / "pengajar.md").read_text(encoding="utf-8")


def test_files_of_a_batch_are_the_ones_described():
    assert all(f"`{name}" in GUIDE for name in (CLASS, FEEDBACK, MARKS, WRITTEN))


def test_a_short_course_leaves_out_no_prerequisite():
    text = re.search(r"Kelas 2 SKS dapat melewati (.+?) tanpa memutus", GUIDE)[1]
    names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in lesson_paths(ROOT)}
    left_out = set()
    for chapter, numbers in re.findall(r"(\d-[a-z]+) (\d\d(?:(?:–| dan )\d\d)?)", text):
        first, last = int(numbers[:2]), int(numbers[-2:])
        chosen = range(first, last + 1) if "–" in numbers else (first, last)
        left_out |= {name for name in names if name.startswith(tuple(f"{chapter}/{number:02d}-" for number in chosen))}
    assert len(left_out) == 9
    for name in names - left_out:
        lesson = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["metadata"]["lesson"]
        assert not left_out & set(lesson["prerequisites"]), name


def test_plan_has_every_lab():
    for path in lab_paths(ROOT):
        assert f"Lab {path.parts[-3][0]} dibagikan" in GUIDE and f"Lab {path.parts[-3][0]} dikumpulkan" in GUIDE


def test_the_five_days_are_closed_under_prerequisites():
    text = re.search(r"Kursus singkat lima hari .+?: (.+?)\.\n", GUIDE)[1]
    assert text == "bab 2 dan 3 tanpa 2-mlp 08–09, lalu 4-rnn 01 dan 6-transformer 01"
    names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in lesson_paths(ROOT)}
    chosen = {name for name in names if name.startswith(("2-", "3-")) and not name.startswith(("2-mlp/08", "2-mlp/09"))}
    chosen |= {name for name in names if name.startswith(("4-rnn/01", "6-transformer/01"))}
    for name in chosen:
        lesson = json.loads((ROOT / f"{name}.ipynb").read_text(encoding="utf-8"))["metadata"]["lesson"]
        missing = {one for one in lesson["prerequisites"] if not one.startswith("1-maths/")} - chosen
        assert not missing, (name, missing)
