"""Time this course beside textbook Flax NNX and PyTorch: `python -m benchmarks.speed [TASK ...]`.

All contenders start from equal weights; their losses, gradients and texts are compared first. Without arguments
everything is measured and written into speed.json, speed.md and speed.png; with names of tasks (`train/cnn`, see
`benchmarks.tasks`) these are printed. PyTorch takes part if it is installed: `pip install -e ".[bench]"`.
"""

import contextlib
import json
import sys
from pathlib import Path

from benchmarks import equality, generation, report
from benchmarks.flops import count_flops
from benchmarks.tasks import MATMUL_FLOPS, contenders
from benchmarks.timing import Worker, describe_machine, summarize, time_in_turn
from benchmarks.workloads import WORKLOADS

REPEATS, REPEATS_OF_SIZES = 30, 7
GROWING = ("textbook", "common", "torch")  # contenders whose cost is drawn against the size
RESULTS = Path(__file__).parent / "speed.json"


def measure(task, names=None, repeats=REPEATS):
    """Time the contenders of a task.

    Args:
        task: name, as in `benchmarks.tasks`.
        names: of the contenders; None takes all, and the matrix product.
        repeats: number of rounds.

    Returns:
        `{contender: {"median", "quartiles", "first_call": seconds, "peak_memory": bytes}}`;
        contenders that cannot run here are left out, and the reason is printed.
    """
    workers = {}
    with contextlib.ExitStack() as stack:
        for name in names or [*contenders(task), "matmul"]:
            try:
                workers[name] = Worker("matmul" if name == "matmul" else task, name)
            except RuntimeError as error:
                print(f"{task}: {name} is left out: {error}", file=sys.stderr)
                continue
            stack.callback(workers[name].close)
        times = time_in_turn(workers, repeats)
    return {
        name: summarize(times[name]) | {"first_call": worker.first_call, "peak_memory": worker.peak_memory}
        for name, worker in workers.items()
    }


def measure_training(name):
    """Check that all contenders of a workload agree, then time them; the result names their FLOPs too."""
    workload, has_torch = WORKLOADS[name], "torch" in contenders(f"train/{name}")
    batch = workload.batch(workload.size)
    equality.check_equal(workload, batch, has_torch)
    flops = count_flops(lambda: equality.loss_and_grads(workload, workload.textbook(), batch))
    result = measure(f"train/{name}")
    speed = MATMUL_FLOPS / result["matmul"]["median"]
    for contender in result.values():
        contender["share"] = flops / contender["median"] / speed
    return {"title": workload.title, "batch": workload.size, "flops": flops, "contenders": result}


def measure_growth(name):
    """Return `[[size, {contender: median}], ...]` over the sizes of a workload."""
    rows = []
    for size in WORKLOADS[name].sizes:
        label = "x".join(map(str, size)) if isinstance(size, tuple) else str(size)
        task = f"train/{name}/{label}"
        result = measure(task, [each for each in GROWING if each in contenders(task)], REPEATS_OF_SIZES)
        rows.append([size, {contender: values["median"] for contender, values in result.items()}])
    return rows


def measure_writing(name):
    """Check that all contenders write the same text, then time them."""
    writer = generation.WRITERS[name]
    generation.check_equal(writer, contenders(f"write/{name}"))
    return {"title": writer.title, "tokens": generation.LENGTH, "contenders": measure(f"write/{name}")}


def measure_all():
    """Return everything for speed.json."""
    results = {"machine": describe_machine(), "repeats": REPEATS, "training": {}, "growth": {}, "writing": {}}
    for name, workload in WORKLOADS.items():
        results["training"][name] = measure_training(name)
        print(report.format_line(results["training"][name]), flush=True)
        if workload.sizes:
            results["growth"][name] = measure_growth(name)
    for name in generation.WRITERS:
        results["writing"][name] = measure_writing(name)
    return results | {task: measure(task) for task in ("load", "fit", "ensemble")}


def main():
    """Measure and report."""
    for task in sys.argv[1:]:
        kind, _, name = task.partition("/")
        result = measure_training(name) if kind == "train" and name in WORKLOADS else {"contenders": measure(task)}
        print(report.format_line({"title": task} | result), flush=True)
    if len(sys.argv) == 1:
        RESULTS.write_text(json.dumps(measure_all(), indent=1) + "\n")
        report.main()


if __name__ == "__main__":
    main()
