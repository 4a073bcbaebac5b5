"""Run a student's code and answer calls; it lives alone in a process that knows neither checks nor solutions.

Started by `labs_cage`; requests come on one pipe, answers go out on another.
"""

import os
import traceback

from labs_values import ValueRefused, decode, encode, read_message, write_message

MAX_OBJECTS = 10_000
MAX_TEXT = 2_000  # characters of an error message


class Notebook:
    """Stand in for the shell of a notebook: magic commands do nothing, `%%time` and its like run their cell."""

    def __init__(self, namespace):
        self.namespace = namespace

    def run_cell_magic(self, name, line, body):
        if name in ("time", "timeit", "capture", "prun"):
            exec(compile(transform(body), "<sel>", "exec"), self.namespace)

    def __getattr__(self, name):
        return lambda *arguments, **named: None


def transform(source):
    """Turn a cell with magic commands into Python."""
    if "%" not in source and "!" not in source and "?" not in source:
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


class Worker:
    """Hold the student's names and the objects that the judge knows by number."""

    def __init__(self):
        self.objects = []
        self.kept = {}
        self.namespace = {}
        self.clear()

    def clear(self):
        self.namespace = {"__name__": "__main__", "__builtins__": __builtins__, "In": [], "Out": {}}
        shell = Notebook(self.namespace)
        self.namespace["get_ipython"] = lambda: shell
        self.namespace["display"] = lambda *values, **named: None

    def keep(self, value):
        if len(self.objects) >= MAX_OBJECTS:
            raise ValueRefused("terlalu banyak objek")
        self.objects.append(value)
        return len(self.objects) - 1

    def find(self, number, kind, is_callable):
        return self.objects[number]

    def answer(self, request):
        """Carry out one request and return {"value": ...} or {"error": ...}."""
        try:
            return {"value": getattr(self, "do_" + request.pop("do"))(**request)}
        except KeyboardInterrupt:
            return {"error": {"type": "KeyboardInterrupt", "text": "dihentikan", "place": ""}}
        except BaseException as error:  # SystemExit too: it must not end the process
            return {"error": describe(error)}

    def do_run(self, code, name):
        exec(compile(transform(code), name, "exec"), self.namespace)

    def do_mark(self):
        self.kept = dict(self.namespace)

    def do_reset(self):
        self.namespace.clear()
        self.namespace.update(self.kept)
        self.objects.clear()

    def do_get(self, name):
        if name not in self.namespace:
            raise NameError(f"{name!r} tidak ditemukan")
        return encode(self.namespace[name], self.keep)

    def do_call(self, number, arguments, named):
        function = self.objects[number]
        arguments = [decode(value, self.find) for value in arguments]
        named = {name: decode(value, self.find) for name, value in named.items()}
        return encode(function(*arguments, **named), self.keep)

    def do_attribute(self, number, attribute):
        return encode(getattr(self.objects[number], attribute), self.keep)


def describe(error):
    """Return the type, the text and the place of an error, as short strings."""
    try:
        text = str(error)[:MAX_TEXT]
    except BaseException:
        text = "(pesannya sendiri galat)"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith("<")]
    place = f"{frames[-1].filename[1:-1]}, baris {frames[-1].lineno}" if frames else ""
    if isinstance(error, SyntaxError) and error.lineno:
        place = f"{str(error.filename).strip('<>')}, baris {error.lineno}"
    return {"type": type(error).__name__[:80], "text": text, "place": place[:120]}


def serve(requests, answers):
    """Answer requests until the stream ends.

    Args:
        requests: file descriptor to read from.
        answers: file descriptor to write to.
    """
    incoming, outgoing = os.fdopen(requests, "rb"), os.fdopen(answers, "wb")
    worker = Worker()
    write_message(outgoing, {"value": "ready"})
    while True:
        try:
            request = read_message(incoming)
            if request is None:
                return
            try:
                write_message(outgoing, worker.answer(request))
            except ValueRefused as error:
                write_message(outgoing, {"error": describe(error)})
        except KeyboardInterrupt:  # came too late: the answer is on its way
            continue
