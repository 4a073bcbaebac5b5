"""Build the site of the course from what is committed: `python -m tools.site build | serve | archive`.

Nothing is executed and nothing is fetched. Pages are laid out in `build/situs/sumber`, Sphinx writes them to
`build/situs/html`, and `archive` packs that into one file that opens from a folder, without a server.
"""

import argparse
import functools
import http.server
import shutil
import subprocess
import sys
import zipfile

from tools.labs_source import lab_paths
from tools.nb_schema import ROOT, lesson_paths, read_repository
from tools.site_notebooks import write_notebook
from tools.site_pages import write_pages

CONFIGURATION = ROOT / "docs" / "situs"
sys.path.insert(0, str(CONFIGURATION))  # for its extensions
FOLDER = ROOT / "build" / "situs"
SOURCE, HTML = FOLDER / "sumber", FOLDER / "html"
ADDRESS = ("127.0.0.1", 8000)


def main(arguments=None):
    """Do what the command line says.

    Args:
        arguments: of the command line; None reads them from it.

    Returns:
        Exit status.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.site", description="Situs kursus, dari isi yang tersimpan.")
    parser.add_argument("verb", choices=("build", "serve", "archive"), help="bangun, tampilkan, atau kemas")
    verb = parser.parse_args(arguments).verb
    status = build()
    if status == 0 and verb == "serve":
        serve()
    if status == 0 and verb == "archive":
        print(archive())
    return status


def build():
    """Lay out the pages and let Sphinx write them, warnings being errors.

    Returns:
        Exit status of Sphinx.
    """
    shutil.rmtree(FOLDER, ignore_errors=True)  # what Sphinx remembers of deleted pages would stay on the site
    repository = read_repository(ROOT)
    lessons = lesson_paths(ROOT)
    labs = [path.with_name(path.name.replace("-solution", "")) for path in lab_paths(ROOT)]
    for path in [*lessons, *labs]:
        write_notebook(path, SOURCE / path.relative_to(ROOT), repository=repository)
    write_pages(SOURCE, lessons=lessons, labs=labs, repository=repository)
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-j", "auto"]
    command += ["-c", str(CONFIGURATION), "-d", str(FOLDER / "doctrees"), str(SOURCE), str(HTML)]
    status = subprocess.run(command, cwd=ROOT).returncode
    if status == 0:
        for path in [*lessons, *labs]:  # for the download buttons
            shutil.copy(path, HTML / path.relative_to(ROOT))
        print(f"{HTML.relative_to(ROOT)}/index.html")
    return status


def serve():
    """Show the site until interrupted."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=HTML)
    with http.server.ThreadingHTTPServer(ADDRESS, handler) as server:
        print(f"http://{ADDRESS[0]}:{ADDRESS[1]} (berhenti dengan Ctrl-C)")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def archive():
    """Pack the site into `dist/`.

    Returns:
        One line that says where it is.
    """
    repository = read_repository(ROOT)
    path = ROOT / "dist" / f"{repository.name}-{repository.version}-situs.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        for file in sorted(HTML.rglob("*")):
            if file.is_file() and file.name != ".buildinfo":
                zipped.write(file, f"{repository.name}-situs/{file.relative_to(HTML).as_posix()}")
    size = path.stat().st_size / 1e6
    return f"{path.relative_to(ROOT)}: {size:.0f} MB; buka {repository.name}-situs/index.html"


if __name__ == "__main__":
    sys.exit(main())
