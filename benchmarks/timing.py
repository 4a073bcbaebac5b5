"""Time contenders fairly: each in a process of its own, in turn, beside the machine's own speed."""

import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

SECONDS = 0.1  # that one measurement takes at least
PACKAGES = ("jax", "jaxlib", "flax", "optax", "grain", "torch")


class Worker:
    """A contender in a process of its own, where nobody else's threads and memory disturb it.

    Args:
        task, contender: as in `benchmarks.worker`.

    Attributes:
        first_call: seconds of the first call, compilation included.
        peak_memory: bytes by which three calls raised the peak of the process's memory.

    Raises:
        RuntimeError: the contender cannot run here; the message is the last line that it printed.
    """

    def __init__(self, task, contender):
        command = [sys.executable, "-W", "ignore", "-m", "benchmarks.worker", task, contender]
        pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
        self._process = subprocess.Popen(command, text=True, **pipes)
        self.first_call, self.peak_memory = json.loads(self._answer())

    def seconds(self, count):
        """Call the contender `count` times; return the seconds of one call."""
        print(count, file=self._process.stdin, flush=True)
        return json.loads(self._answer())

    def close(self):
        """End the process."""
        self._process.communicate()

    def _answer(self):
        line = self._process.stdout.readline()
        if not line:
            _, errors = self._process.communicate()
            raise RuntimeError(errors.strip().splitlines()[-1] if errors.strip() else "ended without a word")
        return line


def time_in_turn(workers, repeats):
    """Measure contenders alternately, so that a busy machine slows all of them alike.

    Args:
        workers: `{name: Worker}`.
        repeats: number of rounds.

    Returns:
        `{name: list of the seconds of one call, one a round}`; short calls are repeated within a round.
    """
    counts = {name: max(1, round(SECONDS / worker.seconds(1))) for name, worker in workers.items()}
    times = {name: [] for name in workers}
    for _ in range(repeats):
        for name, worker in workers.items():
            times[name].append(worker.seconds(counts[name]))
    return times


def summarize(seconds):
    """Return `{"median": seconds, "quartiles": [lower, upper]}` of at least two times."""
    low, _, high = statistics.quantiles(seconds, n=4)
    return {"median": statistics.median(seconds), "quartiles": [low, high]}


def describe_machine():
    """Return what the numbers depend on: processor, cores, versions, and how many heaps malloc may use."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    versions = {name: importlib.metadata.version(name) for name in PACKAGES if importlib.util.find_spec(name)}
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "MALLOC_ARENA_MAX": os.environ.get("MALLOC_ARENA_MAX"),
        "python": platform.python_version(),
        **versions,
    }
