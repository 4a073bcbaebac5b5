"""Run one verb of a command and say, in Indonesian, what stopped it."""

import sys

from tools.nb_schema import LessonError

INTERRUPTED = 130  # as a shell reports SIGINT


def run_verb(options, root, *, farewell="Dihentikan."):
    """Call `options.verb(options, root)`.

    Args:
        options: from argparse, with the function of the verb as `verb`.
        root: Path of the repository.
        farewell: what is printed after an interrupt.

    Returns:
        Exit status: that of the verb, 1 after a LessonError, 130 after an interrupt.
    """
    try:
        return options.verb(options, root)
    except LessonError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{farewell}", file=sys.stderr)
        return INTERRUPTED
