"""Fetch files from the network with time limits and a SHA-256 check; nothing half-fetched stays behind."""

import hashlib
import http.client
import os
import queue
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

from tqdm import tqdm

LOOKUP_TIMEOUT = 0.9  # seconds for the name server: an absent network is told within one second
CONNECT_TIMEOUT = 3.0  # seconds
READ_TIMEOUT = 5.0  # seconds without a single byte
BLOCK = 2**18  # bytes taken from the network at a time


class DownloadError(RuntimeError):
    """An original file could not be fetched, or is not the expected one."""


@dataclass(frozen=True)
class File:
    """Name one original file: its address, its size in bytes and its SHA-256 in hexadecimal digits."""

    url: str
    size: int
    sha256: str

    @property
    def name(self):
        """Return the last part of the address."""
        return self.url.rpartition("/")[2]


def obtain(files, folder, *, purpose, offline):
    """Fetch each file that is not in a folder yet.

    Args:
        files: iterable of `File`.
        folder: `Path` of the folder, made if need be.
        purpose: what needs the files, for the error message.
        offline: what to propose to somebody without a network, for the error message.

    Raises:
        DownloadError: a file cannot be had or has another SHA-256; one sentence with the address and the proposal.
    """
    for file in files:
        path = folder / file.name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256:
            continue
        try:
            _probe(file.url)
            folder.mkdir(parents=True, exist_ok=True)
            _fetch(file, path)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the open connection
            raise DownloadError(
                f"{purpose} needs {file.url}, which could not be had ({error}); {offline} works without a network."
            ) from None


def _probe(url):
    """Raise OSError soon where `url` cannot be reached: `urllib` has no limit for the name server."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.netloc):
        parts = urllib.parse.urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    address = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    answers = queue.SimpleQueue()

    def reach():
        try:
            answers.put(socket.getaddrinfo(*address))
            answers.put(socket.create_connection(address, CONNECT_TIMEOUT).close())
        except OSError as error:
            answers.put(error)

    threading.Thread(target=reach, daemon=True).start()  # daemon: Python may exit before the answers
    for wanted, limit in ("address of", LOOKUP_TIMEOUT), ("connection to", CONNECT_TIMEOUT):
        try:
            answer = answers.get(timeout=limit)
        except queue.Empty:
            raise TimeoutError(f"no {wanted} {parts.hostname} within {limit} s") from None
        if isinstance(answer, OSError):
            raise answer


def _fetch(file, path):
    """Download `file` to `path`, which appears only when the content has the expected SHA-256."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    opener = urllib.request.build_opener()  # `urlopen` would keep the proxies of its first call
    try:
        with (
            opener.open(file.url, timeout=READ_TIMEOUT) as response,
            part.open("wb") as target,
            tqdm(total=file.size, unit="B", unit_scale=True, desc=file.name) as bar,
        ):
            while block := response.read(BLOCK):
                digest.update(block)
                target.write(block)
                bar.update(len(block))
        if digest.hexdigest() != file.sha256:
            raise ValueError(f"expected SHA-256 {file.sha256}, received {digest.hexdigest()}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
