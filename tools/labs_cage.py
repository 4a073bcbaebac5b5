"""Shut a student's code into an empty folder: own files, processes and network, no rights, limits on what it may use.

Run as a script with `python -I`: it needs nothing but the standard library until the walls stand, then becomes
`labs_worker`. On Linux it makes namespaces (see namespaces(7)); elsewhere it sets what limits there are.
"""

import ctypes
import json
import os
import platform
import re
import signal
import sys
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
PR_SET_PDEATHSIG, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 1, 24, 36, 38
CAPABILITIES = 64  # more than any kernel has
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}  # number of the system call
CAGE_USER = 59_999  # who the code is when root grades: nobody else has this number
DEVICES = ("null", "zero", "full", "random", "urandom")
SYSTEM = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/fonts")
WORK = "/kerja"
MODULES = ("labs_worker.py", "labs_values.py")
WORK_MEGABYTES = 256  # files in the folder, which lie in memory
FILE_BYTES = 256 * 2**20
DATA_BYTES = 6 * 2**30  # a backstop only: the judge watches what is really used
TASKS = 4_000  # a backstop too; threads count, and all cages that root makes share it


class CageError(Exception):
    """Say why the walls cannot be built here."""


def main():
    """Build the walls, then work; argument: a JSON object with "root", "show", "walls" and "judge", its process."""
    settings = json.loads(sys.argv[1])
    _die_with(settings["judge"])
    requests, answers = os.dup(0), os.dup(1)
    os.dup2(2, 1)  # what the code prints
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    if hasattr(os, "setsid"):
        os.setsid()
    if settings["walls"]:
        _enter_namespaces(settings["root"], settings["show"])
    else:
        if sys.platform == "linux":  # processes whose parent has ended become this one's, where the judge sees them
            _call("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        os.chdir(settings["root"])
        sys.path.insert(0, str(Path(__file__).parent))
    _limit({"RLIMIT_NPROC": TASKS} if settings["walls"] else {})  # without walls it would count the grader's own tasks
    os.environ.update(HOME=os.getcwd(), TMPDIR=os.getcwd(), MPLBACKEND="agg", JAX_PLATFORMS="cpu")
    sys.argv = ["labs_worker.py"]
    import labs_worker

    del sys.path[0]  # a student's file of that name must not be found either
    sys.path.insert(0, os.getcwd())
    labs_worker.serve(requests, answers)


def obstacle():
    """Return why this machine cannot build the walls, an empty string if it can."""
    import subprocess
    import tempfile

    if sys.platform != "linux" or platform.machine() not in PIVOT_ROOT:
        return f"hanya tersedia di Linux x86_64 dan aarch64, bukan {sys.platform} {platform.machine()}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-I", __file__, "--rehearse", folder]
        done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["sebab tidak diketahui"])[-1]


def folders_to_show():
    """List what Python, the libraries and `common` need: files and folders that the code may read."""
    from importlib.util import find_spec

    shown = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(os.path.realpath(sys.executable))}
    course = find_spec("common")
    if course is not None and course.submodule_search_locations:
        shown.add(course.submodule_search_locations[0])
    return sorted(path for path in {os.path.realpath(path) for path in shown} | shown if path != "/")


def _die_with(judge):
    """End with the judge, however that ends; a code that never stops would not notice."""
    if sys.platform == "linux":
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != judge:
            sys.exit("the judge is gone")


def _enter_namespaces(root, shown):
    """Become process 1 of a world that holds `shown`, read-only, and an empty folder; the caller waits outside."""
    worlds = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call("unshare", worlds)
    else:  # only inside a user namespace may others mount
        _call("unshare", worlds | CLONE_NEWUSER)
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path(f"/proc/self/{name}").write_text(text)
    child = os.fork()
    if child:
        signal.signal(signal.SIGINT, lambda *_: os.kill(child, signal.SIGINT))
        os.closerange(0, 64)  # or the judge would not see the end of the streams
        os.waitpid(child, 0)
        os._exit(0)
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _build_root(root, shown)
    for number in range(CAPABILITIES):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
    if user == 0:
        os.setgroups([])
        os.setresgid(CAGE_USER, CAGE_USER, CAGE_USER)
        os.setresuid(CAGE_USER, CAGE_USER, CAGE_USER)
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of user has cleared it
    _call("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _drop_capabilities()


def _build_root(root, shown):
    """Mount the new root on the empty folder `root` and move into it."""
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    _mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV, f"size={WORK_MEGABYTES}m,mode=755")
    for path in (*SYSTEM, *shown):
        if os.path.islink(path) and not os.path.exists(root + path):
            _parent(root + path)
            os.symlink(os.readlink(path), root + path)
        elif os.path.exists(path):
            _bind(path, root + path)
    for name in MODULES:
        _bind(str(Path(__file__).with_name(name)), f"{root}/penjaga/{name}")
    for name in DEVICES:
        _bind(f"/dev/{name}", f"{root}/dev/{name}", read_only=False)
    for name in ("proc", "dev/shm", "tmp", WORK[1:], "old"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
        os.chmod(f"{root}/{name}", 0o1777)  # whoever the code will be
    _mount("proc", f"{root}/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
    if ctypes.CDLL(None, use_errno=True).syscall(PIVOT_ROOT[platform.machine()], root.encode(), f"{root}/old".encode()):
        raise CageError(f"pivot_root: {os.strerror(ctypes.get_errno())}")
    os.chdir(WORK)
    _call("umount2", b"/old", MNT_DETACH)
    os.rmdir("/old")
    sys.path.insert(0, "/penjaga")


def _bind(source, target, read_only=True):
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    elif not os.path.exists(target):
        _parent(target)
        open(target, "w").close()
    _mount(source, target, None, MS_BIND | MS_REC)
    for place in _mounts_at(target) if read_only else ():
        try:
            kept = os.statvfs(place).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)  # locked in a user namespace
        except FileNotFoundError:  # another mount covers it
            continue
        _mount(None, place, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept)


def _mounts_at(folder):
    """List the mount points at and below a folder: a remount covers one only."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_bytes().splitlines()]
    points = {os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda code: bytes([int(code[1], 8)]), point)) for point in points}
    return [folder, *sorted(point for point in points if point.startswith(f"{os.path.realpath(folder)}/"))]


def _parent(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)


def _mount(source, target, kind, flags, options=None):
    words = [word.encode() if word else None for word in (source, target, kind)]
    if ctypes.CDLL(None, use_errno=True).mount(*words, flags, options.encode() if options else None):
        raise CageError(f"mount {target}: {os.strerror(ctypes.get_errno())}")


def _call(name, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise CageError(f"{name}: {os.strerror(ctypes.get_errno())}")


def _drop_capabilities():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of the interface, this thread
    if ctypes.CDLL(None, use_errno=True).capset(header, (ctypes.c_uint32 * 6)()):
        raise CageError(f"capset: {os.strerror(ctypes.get_errno())}")


def _limit(more):
    """Limit files and data, and what `more` names, as far as the system can."""
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return
    limits = {"RLIMIT_FSIZE": FILE_BYTES, "RLIMIT_CORE": 0, "RLIMIT_DATA": DATA_BYTES}
    for name, limit in (limits | more).items():
        try:
            resource.setrlimit(getattr(resource, name), (limit, limit))
        except (AttributeError, ValueError, OSError):
            continue  # this system has no such limit


def _rehearse(folder):
    try:
        _enter_namespaces(folder, folders_to_show())
    except (CageError, OSError) as error:
        sys.exit(str(error))
    try:
        import encodings  # noqa: F401

        import labs_worker  # noqa: F401
    except Exception as error:
        sys.exit(f"Python tidak terbaca di dalam kurungan: {error}")


if __name__ == "__main__":
    if sys.argv[1] == "--rehearse":
        _rehearse(sys.argv[2])
    else:
        main()
