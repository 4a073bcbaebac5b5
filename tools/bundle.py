"""Pack the course for a place without internet: `python -m tools.bundle [--platform PLATFORM] [--python 3.12]`.

The archive in `dist/` holds the tracked files of the repository and, in `wheels/`, every library of requirements.txt.
There `make lab` and `make test` work as ever: the Makefile takes libraries from `wheels/` when that folder is there.
"""

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

from packaging.requirements import Requirement

from tools.nb_schema import ROOT, read_repository

PATCHES = (0, 9)  # some libraries ask for a later patch of Python; the archive serves both
BUILDERS = ("pip", "setuptools>=77", "wheel")  # what `pip install --editable` asks for besides
PLATFORMS = {  # name of pip -> (sys_platform, os_name, platform_system, platform_machine) of requirement markers
    "manylinux_2_28_x86_64": ("linux", "posix", "Linux", "x86_64"),
    "manylinux_2_28_aarch64": ("linux", "posix", "Linux", "aarch64"),
    "macosx_14_0_arm64": ("darwin", "posix", "Darwin", "arm64"),
    "win_amd64": ("win32", "nt", "Windows", "AMD64"),
}
MARKERS = ("sys_platform", "os_name", "platform_system", "platform_machine")
OLDER = {  # a wheel for an older system runs on a newer one
    "manylinux_2_28": ("manylinux_2_27", "manylinux_2_17", "manylinux2014", "linux"),
    "macosx_14_0": ("macosx_13_0", "macosx_12_0", "macosx_11_0"),
}

UNIVERSAL = ("11_0", "10_15", "10_14", "10_13", "10_12", "10_9")  # macOS wheels for both kinds of processor


def main(arguments=None):
    """Write the archive and say where it is.

    Args:
        arguments: of the command line; None reads them from it.

    Returns:
        Exit status: 0, or 1 when a library has no wheel for that system.
    """
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    parser = argparse.ArgumentParser(prog="python -m tools.bundle", description="Kemas kursus untuk tempat luring.")
    parser.add_argument("--platform", choices=PLATFORMS, default=this_platform(), help="bawaan: sistem ini")
    parser.add_argument("--python", choices=("3.11", "3.12", "3.13"), default=running, help="bawaan: %(default)s")
    options = parser.parse_args(arguments)
    if options.platform is None:
        parser.error(f"sistem {sysconfig.get_platform()} tidak dikenal; pilih --platform dari {', '.join(PLATFORMS)}")
    try:
        files = tracked_files()
    except (OSError, subprocess.CalledProcessError):
        parser.error("perlu salinan git dari kursus ini; buat dengan `git clone`, bukan dari berkas ZIP")
    repository = read_repository(ROOT)
    archive = ROOT / "dist" / f"{repository.name}-{repository.version}-{options.platform}-py{options.python}.zip"
    with tempfile.TemporaryDirectory() as folder:
        lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        releases = [f"{options.python}.{patch}" for patch in PATCHES]
        choices = [[*pins(lines, options.platform, release), *BUILDERS] for release in releases]
        if not all(
            download(wanted, Path(folder), options.platform, release)
            for wanted, release in zip(choices, releases, strict=True)
        ):
            print("pustaka di atas tidak punya wheel atau gagal diunduh; periksa internet, --platform, dan --python")
            return 1
        write_archive(archive, files, sorted(Path(folder).iterdir()), top=repository.name)
    size = archive.stat().st_size / 1e6
    print(f"{archive.relative_to(ROOT)}: {size:.0f} MB, untuk Python {options.python}; buka di tujuan, lalu `make lab`")
    return 0


def this_platform():
    """Return the key of PLATFORMS for this machine, or None."""
    system, _, machine = sysconfig.get_platform().rpartition("-")
    names = {"linux-x86_64": 0, "linux-aarch64": 1, "macosx-arm64": 2, "win-amd64": 3}
    number = names.get(f"{system.partition('-')[0]}-{machine}")
    return None if number is None else list(PLATFORMS)[number]


def pins(lines, platform, python):
    """List the lines of requirements.txt that hold on a system.

    Args:
        lines: of requirements.txt, as `make lock` wrote them.
        platform: a key of PLATFORMS.
        python: full version, as "3.11.9".

    Returns:
        List of "name==version".
    """
    environment = dict(zip(MARKERS, PLATFORMS[platform], strict=True))
    environment |= {"python_version": python.rpartition(".")[0], "python_full_version": python}
    environment |= {"implementation_name": "cpython", "platform_python_implementation": "CPython"}
    every = [Requirement(line) for line in lines if line.strip() and not line.strip().startswith("#")]
    chosen = [one for one in every if one.marker is None or one.marker.evaluate(environment)]
    return [f"{one.name}{one.specifier}" for one in chosen]


def download(wanted, folder, platform, python):
    """Fetch wheels with pip, which prints what is missing; what has none is built here, if it is pure Python.

    Args:
        wanted: list of requirements without markers.
        folder: Path where the wheels go.
        platform: a key of PLATFORMS.
        python: full version, as "3.11.9".

    Returns:
        True if all of them were found.
    """
    system = next((system for system in OLDER if platform.startswith(system)), None)
    machine = platform.removeprefix(f"{system}_")
    names = [platform, *(f"{older}_{machine}" for older in OLDER.get(system, ()))]
    if machine == "arm64":
        names += [f"macosx_{version}_universal2" for version in UNIVERSAL]
    kinds = [argument for name in names for argument in ("--platform", name)]
    fetched = _pip("download", "--no-deps", "--python-version", python, *kinds, "--dest", str(folder), *wanted)
    sources = [path for path in folder.iterdir() if path.suffix != ".whl"]
    built = not sources or _pip("wheel", "--no-deps", "--wheel-dir", str(folder), *map(str, sources))
    for path in sources:
        path.unlink()
    own = this_platform() == platform
    foreign = [] if own else [path.name for path in folder.iterdir() if not _fits(path.name, names)]
    if foreign:
        print(f"wheel ini hanya cocok untuk mesin ini, bukan sistem tujuan: {', '.join(foreign)}")
    return fetched and built and not foreign


def _pip(*arguments):
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check", *arguments[1:]]
    return subprocess.run(command).returncode == 0


def _fits(wheel, platforms):
    tags = wheel.removesuffix(".whl").rpartition("-")[2].split(".")
    return "any" in tags or bool(set(tags) & set(platforms))


def tracked_files():
    """List the files that git tracks here, as paths from ROOT.

    Raises:
        subprocess.CalledProcessError: this is no git checkout.
    """
    answer = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    return [ROOT / name for name in answer.stdout.split("\0") if name and (ROOT / name).is_file()]


def write_archive(archive, files, wheels, *, top):
    """Write a zip file with one folder.

    Args:
        archive: Path to write.
        files: Paths below ROOT.
        wheels: Paths of wheels; these are compressed already.
        top: name of the folder.
    """
    archive.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in files:
            zipped.write(path, f"{top}/{path.relative_to(ROOT).as_posix()}", zipfile.ZIP_DEFLATED)
        for path in wheels:
            zipped.write(path, f"{top}/wheels/{path.name}", zipfile.ZIP_STORED)


if __name__ == "__main__":
    sys.exit(main())
