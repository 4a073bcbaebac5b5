"""Ctrl-C that never strikes in the middle of a training step."""

import contextlib
import signal
import threading


class _Hold(contextlib.AbstractContextManager):
    """Context in which Ctrl-C waits; it is raised where the context ends, a second Ctrl-C at once."""

    is_held = is_pending = False

    def __enter__(self):
        self.is_held = True
        return self

    def __exit__(self, *error):
        self.is_held = False
        if self.is_pending:
            self.is_pending = False
            raise KeyboardInterrupt

    def handle(self, number, frame):
        """Take the signal."""
        if not self.is_held or self.is_pending:
            raise KeyboardInterrupt
        self.is_pending = True


@contextlib.contextmanager
def held_interrupts():
    """Make a context manager `hold`: Ctrl-C during `with hold:` is raised as KeyboardInterrupt when the block ends.

    A step gives the weights away before it returns the new ones; an interrupt in between would lose both. Outside the
    main thread, where no signal arrives, or where the caller handles Ctrl-C in a way of its own, nothing changes.
    """
    hold = _Hold()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield hold
        return
    signal.signal(signal.SIGINT, hold.handle)
    try:
        yield hold
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
