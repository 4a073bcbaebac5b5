"""Talk to the process that holds a student's code: run cells, fetch values, call functions, within limits."""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

import psutil

from tools import labs_cage
from tools.labs_values import ValueRefused, decode, encode, read_message, write_message
from tools.nb_schema import LessonError

GRACE = 5  # seconds to answer an interrupt, then the process is killed
START_SECONDS = 60
WATCH_SECONDS = 0.1
CORES = 2  # a limit of n seconds allows the work of so many cores in n seconds, however busy the machine is,
WAITING = 5  # and so many times n by the clock

LATE = object()


class StudentError(Exception):
    """The student's code raised an error; the text says which and where."""


class StudentLate(StudentError):
    """The student's code was interrupted at its limit of time; the process lives on."""


class StudentStopped(Exception):
    """The process is gone or had to be killed; the text says why."""


@dataclass(frozen=True)
class Limits:
    """What the code may use.

    Attributes:
        memory: bytes, all its processes together.
        output: bytes that it may print.
        processes: how many processes it may have at once.
        cell: seconds for one cell; see `Student.deadline_in`.
        code: seconds for all cells together.
    """

    memory: int = 1_500 * 2**20
    output: int = 20 * 2**20
    processes: int = 40
    cell: float = 20
    code: float = 90


@dataclass(frozen=True)
class Deadline:
    """When a student's process has worked, or slept, long enough.

    Attributes:
        work: seconds of processor time of the process so far plus what it may still use.
        clock: latest value of `time.monotonic()`.
    """

    work: float
    clock: float


class Student:
    """A process with a student's code; use it in a `with` block, at whose end nothing of it is left.

    Args:
        walls: whether to isolate it (see `labs_cage`).
        limits: `Limits`.
    """

    def __init__(self, *, walls, limits=Limits()):
        self.walls, self.limits = walls, limits
        self.deadline = None  # for what is fetched and called, if not None
        self._start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, code, name, seconds):
        """Execute code.

        Args:
            code: Python, magic commands allowed.
            name: what error messages call it.
            seconds: it is interrupted after that.

        Raises:
            StudentError: the code raised; `StudentLate` if it was interrupted.
            StudentStopped: the process has ended; make a new one.
        """
        self._ask({"do": "run", "code": code, "name": f"<{name}>"}, self.deadline_in(seconds))

    def deadline_in(self, seconds):
        """Return the `Deadline` for so many seconds on an idle machine of `CORES` cores; see `deadline`."""
        return Deadline(self._work() + CORES * seconds, time.monotonic() + WAITING * seconds)

    def mark(self):
        """Remember all names, for `reset`."""
        self._ask({"do": "mark"}, self.deadline_in(START_SECONDS))

    def reset(self):
        """Forget all names since `mark`."""
        self._ask({"do": "reset"}, self.deadline_in(START_SECONDS))

    def get(self, name):
        """Return a value by name: plain data as they are, anything else as a `Remote`."""
        return decode(self._ask({"do": "get", "name": name}), self._remote)

    def stop(self):
        """Kill the process and all that it has started."""
        self._kill("")
        self.process.wait()
        for thread in self.threads:
            thread.join(GRACE)
        if not any(thread.is_alive() for thread in self.threads):  # else a process that has escaped holds the streams
            for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(self):
        self.folder = tempfile.mkdtemp(prefix="lab-")
        self.reason, self.output, self.answers = "", b"", queue.Queue()
        self.awaited = threading.Semaphore(1)  # answers that were asked for and have not come; the first is "ready"
        settings = {"root": self.folder, "show": labs_cage.folders_to_show(), "walls": self.walls, "judge": os.getpid()}
        environment = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        command = [sys.executable, "-I", "-u", labs_cage.__file__, json.dumps(settings)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen(command, env=environment, cwd=self.folder, **pipes)
        self.threads = [threading.Thread(target=task, daemon=True) for task in (self._read, self._drain, self._watch)]
        for thread in self.threads:
            thread.start()
        try:
            self._wait(self.deadline_in(START_SECONDS))
        except StudentStopped:  # not the student's doing, so it must not cost a mark
            self.stop()
            lines = self.output.decode(errors="replace").strip().splitlines() or ["tanpa pesan"]
            raise LessonError(f"Proses untuk kode mahasiswa tidak dapat dimulai: {lines[-1]}") from None

    def _remote(self, number, kind, is_callable):
        return Remote(self, number, kind, is_callable)

    def _ask(self, request, deadline=None):
        self.awaited.release()
        try:
            write_message(self.process.stdin, request)
        except (BrokenPipeError, OSError):
            raise StudentStopped(self._cause()) from None
        return self._wait(deadline or self.deadline or self.deadline_in(START_SECONDS))

    def _wait(self, deadline):
        answer = self._answer_by(deadline)
        if answer is LATE:
            self._interrupt()
            answer = self._answer_by(Deadline(float("inf"), time.monotonic() + GRACE))
            if answer is LATE:
                self.reason = "melewati batas waktu"
                self.stop()
                raise StudentStopped(self.reason)
            if answer is not None:
                raise StudentLate("melewati batas waktu")
        if not isinstance(answer, dict) or not answer.keys() & {"value", "error"}:
            self.stop()
            raise StudentStopped(self._cause())
        if "error" in answer:
            raise StudentError(_describe(answer["error"]))
        return answer["value"]

    def _answer_by(self, deadline):
        while time.monotonic() < deadline.clock and self._work() < deadline.work:
            try:
                return self.answers.get(timeout=WATCH_SECONDS)
            except queue.Empty:
                continue
        return LATE

    def _work(self):
        """Seconds of processor time of all living processes."""
        total = 0.0
        for process in self._processes():
            try:
                used = process.cpu_times()
            except psutil.Error:
                continue
            total += used.user + used.system
        return total

    def _interrupt(self):
        if hasattr(os, "setsid"):  # elsewhere it would reach the judge too
            self.process.send_signal(signal.SIGINT)

    def _cause(self):
        return self.reason or "prosesnya berhenti sendiri, misalnya karena os._exit atau kehabisan memori"

    def _processes(self):
        if self.process.poll() is not None:  # its number may be another's by now
            return []
        try:
            first = psutil.Process(self.process.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _read(self):
        try:
            while (message := read_message(self.process.stdout)) is not None:
                if not self.awaited.acquire(blocking=False):
                    self._kill("mengirim jawaban yang tidak diminta")
                    break
                self.answers.put(message)
        except (ValueRefused, OSError, ValueError, RecursionError, MemoryError):
            self.reason = self.reason or "jawabannya tidak terbaca"
        self.answers.put(None)

    def _drain(self):
        total = 0
        while block := self.process.stderr.read1(65_536):
            total += len(block)
            self.output = (self.output + block)[:10_000]
            if total > self.limits.output:
                self._kill(f"mencetak lebih dari {self.limits.output // 2**20} MB")
                return

    def _watch(self):
        while self.process.poll() is None:
            memory = count = 0
            for process in self._processes():
                try:
                    memory, count = memory + process.memory_info().rss, count + 1
                except psutil.Error:
                    continue
            if memory > self.limits.memory:
                self._kill(f"memakai memori lebih dari {self.limits.memory // 2**20} MB")
            elif count > self.limits.processes:
                self._kill(f"menjalankan lebih dari {self.limits.processes} proses")
            time.sleep(WATCH_SECONDS)

    def _kill(self, reason):
        self.reason = self.reason or reason
        for process in reversed(self._processes()):  # the first one last, so that its orphans stay in sight
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


class Remote:
    """An object that stays in the student's process: call it, read its attributes, hand it back as an argument."""

    def __init__(self, student, number, kind, is_callable):
        self._student, self._number, self._kind, self._is_callable = student, number, kind, is_callable

    def __repr__(self):
        return f"<{self._kind} milik mahasiswa>"

    def __call__(self, *arguments, **named):
        if not self._is_callable:
            raise StudentError(f"yang diharapkan fungsi, ternyata {self._kind}")
        request = {
            "do": "call",
            "number": self._number,
            "arguments": [encode(value, _number_of) for value in arguments],
            "named": {name: encode(value, _number_of) for name, value in named.items()},
        }
        return decode(self._student._ask(request), self._student._remote)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        request = {"do": "attribute", "number": self._number, "attribute": name}
        return decode(self._student._ask(request), self._student._remote)


def _number_of(value):
    if isinstance(value, Remote):
        return value._number
    raise ValueRefused(f"pemeriksaan hanya dapat mengirim data biasa, bukan {type(value).__name__}")


def _describe(error):
    try:
        text = f"{error['type']}: {error['text']}"
        return f"{text} ({error['place']})" if error["place"] else text
    except Exception:
        return "galat yang tidak terbaca"
