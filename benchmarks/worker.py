"""Run one contender whenever told to: `python -m benchmarks.worker TASK CONTENDER`.

Prints a JSON line [seconds of the first call, bytes of memory]; then, for every line N on standard input, the seconds
of one call, the mean of N. It needs Linux, whose /proc tells the memory.
"""

import json
import sys
import time
from pathlib import Path

from benchmarks import tasks


def main():
    """Serve until standard input ends."""
    task, contender = sys.argv[1:]
    if contender.startswith("torch"):
        import torch  # noqa: F401 - its own size is no memory of the task
    before = _peak()
    run = tasks.contenders(task)[contender]()
    first = _seconds(run, 1)
    _seconds(run, 2)
    print(json.dumps([first, _peak() - before]), flush=True)
    for line in sys.stdin:
        print(json.dumps(_seconds(run, int(line))), flush=True)


def _seconds(run, count):
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def _peak():
    """Return the peak of this program's memory in bytes; getrusage would tell that of the program that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
