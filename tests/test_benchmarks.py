"""Benchmarks: arithmetic counted right, contenders that agree, workers that answer, a report of what was measured."""

import dataclasses
import importlib.util
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks import equality, generation, report, tasks, textbook, timing
from benchmarks.flops import count_flops
from benchmarks.workloads import WORKLOADS

HAS_TORCH = importlib.util.find_spec("torch") is not None


def test_flops_by_hand():
    a, b = jnp.ones((3, 4)), jnp.ones((4, 5))
    assert count_flops(jnp.matmul, a, b) == 2 * 3 * 4 * 5
    assert count_flops(lambda x: jax.lax.scan(lambda x, _: (x @ x, None), x, length=7)[0], jnp.ones((6, 6))) == 7 * 432
    convolution = nnx.Conv(3, 8, (3, 3), padding="VALID", rngs=nnx.Rngs(0))
    assert count_flops(convolution, jnp.ones((2, 6, 5, 3))) == 2 * (2 * 4 * 3 * 8) * (9 * 3)
    transposed = nnx.ConvTranspose(3, 8, (4, 4), (2, 2), rngs=nnx.Rngs(0))  # every pixel times the whole kernel
    assert count_flops(transposed, jnp.ones((2, 5, 5, 3))) == 2 * (2 * 5 * 5 * 3) * (16 * 8)


@pytest.mark.parametrize("name", ["mlp", "lstm", "dcgan"])
def test_contenders_compute_the_same(name):
    workload = WORKLOADS[name]
    size = (2, 5) if isinstance(workload.size, tuple) else 2
    equality.check_equal(workload, workload.batch(size), HAS_TORCH)


def test_unequal_models_are_noticed():
    workload = WORKLOADS["mlp"]

    class Halved(textbook.MLP):
        def __call__(self, x):
            return super().__call__(x) / 2

    wrong = dataclasses.replace(workload, textbook=lambda: Halved((784, 256, 128, 10), nnx.Rngs(0)))
    with pytest.raises(AssertionError):
        equality.check_equal(wrong, workload.batch(2), has_torch=False)


@pytest.mark.parametrize("name", generation.WRITERS)
def test_texts_agree_with_and_without_memory(name, monkeypatch):
    monkeypatch.setattr(generation, "LENGTH", 12)
    monkeypatch.setattr(generation, "WINDOW", generation.PROMPT + 12)
    chosen = [each for each in generation.CONTENDERS if HAS_TORCH or not each.startswith("torch")]
    generation.check_equal(generation.WRITERS[name], chosen)


def test_a_worker_measures_and_an_impossible_one_says_why():
    worker = timing.Worker("matmul", "matmul")
    times = timing.time_in_turn({"matmul": worker}, 2)["matmul"]
    worker.close()
    assert len(times) == 2 and all(0 < seconds < worker.first_call + 60 for seconds in times)
    with pytest.raises(RuntimeError, match="KeyError.*unheard-of"):
        timing.Worker("matmul", "unheard-of")


def test_every_task_has_contenders():
    names = [f"train/{name}" for name in WORKLOADS] + [f"write/{name}" for name in generation.WRITERS]
    for task in [*names, "train/mlp/16", "train/lstm/2x8", "load", "fit", "ensemble"]:
        assert len(tasks.contenders(task)) >= 2


def test_report_shows_medians_ratios_and_missed_targets(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "FOLDER", tmp_path)
    (tmp_path / "speed.json").write_text(json.dumps(made_up_results()), encoding="utf-8")
    report.main()
    text = (tmp_path / "speed.md").read_text(encoding="utf-8")
    assert "| 2,00 (1,80-2,20) |" in text and "| 3,00 |" in text  # the median of common; three times the textbook's
    assert "| 1,800 | 3,000 | tercapai |" in text and "| 3,000 | 3,000 | tercapai |" in text
    assert "| 0,400 | 0,250 | belum |" in text
    assert (tmp_path / "speed.png").stat().st_size > 10_000


def made_up_results():
    def contender(milliseconds):
        spread = [0.9e-3 * milliseconds, 1.1e-3 * milliseconds]
        cost = {"first_call": 1.0, "peak_memory": 10**7, "share": 0.25}
        return {"median": 1e-3 * milliseconds, "quartiles": spread} | cost

    four = {"textbook": contender(6), "common": contender(2), "torch": contender(4), "matmul": contender(50)}
    training = {name: {"title": name, "batch": 128, "flops": 10**9, "contenders": four} for name in WORKLOADS}
    rows = [[size, {name: 1e-3 * size for name in ("textbook", "common", "torch")}] for size in (16, 32)]
    return {
        "machine": {"cpu": "x", "torch": None},
        "repeats": 30,
        "training": training,
        "growth": {"mlp": rows, "lstm": [[[16, size], times] for size, times in rows]},
        "writing": {"gpt": {"title": "GPT", "tokens": 240, "contenders": four}},
        "load": {"common": contender(3)},
        "fit": {"step alone": contender(100), "fit": contender(110)},
        "ensemble": {"8 at once": contender(100), "8 one by one": contender(150)},
    }


def test_relative_numbers_survive_one_missing_library():
    results = made_up_results()
    del results["training"]["mlp"]["contenders"]["torch"]  # the one dictionary that all workloads share
    rows = list(report._training_rows(results))
    assert all("-" in row for row in rows) and np.shape(rows) == (len(WORKLOADS), 10)
