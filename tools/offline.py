"""Run a command without a network: `python -m tools.offline COMMAND ...`.

The command gets a Linux network namespace that has the loopback device only, because Jupyter kernels talk over it.
Where that is impossible (other systems, restricted user namespaces), one line on stderr says so and the command
runs anyway.
"""

import ctypes
import os
import socket
import struct
import sys

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1
INTERFACE_REQUEST = "16sh22x"  # struct ifreq of <net/if.h>: the name, the flags, the rest of a union


def main(arguments: list[str]) -> None:
    """Cut the network if possible, then become the command.

    Args:
        arguments: the command and its arguments.

    Raises:
        SystemExit: no command was given, or it cannot be started (status 127).
    """
    if not arguments:
        raise SystemExit("pemakaian: python -m tools.offline PERINTAH [ARGUMEN ...]")
    obstacle = rehearse_cut()
    if obstacle:
        print(f"tools.offline: jaringan tidak terputus ({obstacle}); perintah tetap dijalankan.", file=sys.stderr)
    else:
        cut_network()
    try:
        os.execvp(arguments[0], arguments)
    except OSError as error:
        print(f"tools.offline: {arguments[0]}: {error.strerror}", file=sys.stderr)
        raise SystemExit(127) from None


def rehearse_cut() -> str:
    """Try the cut in a child process, since one that fails halfway leaves its process without loopback.

    Returns:
        The obstacle in words; an empty string when the cut works.
    """
    if sys.platform != "linux":
        return f"hanya bisa di Linux, sistem ini {sys.platform}"
    child = os.fork()
    if child == 0:
        try:
            cut_network()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return os.strerror(status) if status else ""


def cut_network() -> None:
    """Move this process into a fresh network namespace whose loopback device is up.

    Raises:
        OSError: the kernel refuses, with its error number.
    """
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:  # allowed to root alone; others need a user namespace around it
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
    _raise_loopback()


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _raise_loopback() -> None:
    import fcntl  # missing on Windows, where this function is never reached

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack(INTERFACE_REQUEST, b"lo", 0))
        flags = struct.unpack(INTERFACE_REQUEST, request)[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack(INTERFACE_REQUEST, b"lo", flags | IFF_UP))


if __name__ == "__main__":
    main(sys.argv[1:])
