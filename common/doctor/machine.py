"""Examine the machine, the device that JAX uses, and the files of the course."""

import os
import shutil
import sys
from pathlib import Path

from .finding import Finding, Level
from .versions import install_command

GIB = 2**30
NEEDED_MEMORY, NEEDED_DISK = 2 * GIB, GIB
UNUSUAL_SETTINGS = {  # option of jax.config -> (usual value, what another one does)
    "jax_enable_x64": (False, "bilangan berpresisi ganda: hasil dan waktu berbeda dari yang tersimpan"),
    "jax_disable_jit": (False, "tidak ada yang dikompilasi: pelatihan jauh lebih lambat"),
    "jax_debug_nans": (False, "setiap operasi diperiksa: pelatihan jauh lebih lambat"),
}


def examine_machine():
    """Look at cores, memory, disk and the encoding of the terminal.

    Returns:
        List of `Finding`.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    findings = [
        Finding(Level.GOOD, f"{cores} inti CPU")
        if cores >= 2
        else Finding(Level.NOTICE, "1 inti CPU; waktu di tabel pelajaran diukur pada dua inti")
    ]
    cure = "Tutup program lain, terutama peramban, sebelum menjalankan pelajaran."
    findings += _amount("memori bebas", free_memory(), NEEDED_MEMORY, cure)
    cure = "Kosongkan cakram, atau pindahkan folder kursus."
    findings += _amount("ruang cakram bebas", shutil.disk_usage(Path.cwd()).free, NEEDED_DISK, cure)
    if (sys.stdout.encoding or "").lower().replace("-", "") != "utf8":
        text = f"terminal memakai {sys.stdout.encoding}, bukan UTF-8"
        findings.append(Finding(Level.NOTICE, text, "Atur variabel lingkungan PYTHONUTF8=1."))
    return findings


def free_memory():
    """Return the bytes that programs can still take, or None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), None)


def examine_device():
    """Start JAX and look at what it computes on.

    Returns:
        List of `Finding`; the last one is a problem when JAX cannot be used at all.
    """
    try:
        import jax
        import jax.numpy as jnp

        devices = jax.devices()
        total = float(jnp.arange(10.0).sum())
    except Exception as error:  # whatever breaks here, the report goes on
        first_line = str(error).strip().partition("\n")[0]
        chosen = os.environ.get("JAX_PLATFORMS")
        is_missing = isinstance(error, ImportError) or not chosen
        cure = f"{install_command()} jax" if is_missing else f"Hapus variabel lingkungan JAX_PLATFORMS={chosen}."
        return [Finding(Level.PROBLEM, f"JAX tidak dapat dipakai: {type(error).__name__}: {first_line}", cure)]
    where = f"{len(devices)} x {devices[0].device_kind} ({jax.default_backend()})"
    findings = [Finding(Level.GOOD, f"JAX menghitung di {where}")]
    if total != 45:
        findings.append(Finding(Level.PROBLEM, f"0 + 1 + … + 9 dihitung {total}, bukan 45", "Pasang ulang jaxlib."))
    if jax.default_backend() == "cpu" and sys.platform == "linux" and shutil.which("nvidia-smi"):
        chosen = os.environ.get("JAX_PLATFORMS")
        cure = f"{install_command()} -r requirements_gpu.txt (driver 580 ke atas; lihat README)"
        cure = f"Hapus variabel lingkungan JAX_PLATFORMS={chosen}." if chosen else cure
        findings.append(Finding(Level.NOTICE, "GPU NVIDIA ada, tetapi JAX memakai CPU", cure))
    return findings + unusual_settings(jax.config.values)


def unusual_settings(values):
    """Find settings of JAX that change results or cost much time.

    Args:
        values: dict from option to value, as `jax.config.values`.

    Returns:
        List of `Finding`.
    """
    return [
        Finding(Level.NOTICE, f"{name} = {values[name]}: {effect}", f"Hapus variabel lingkungan {name.upper()}.")
        for name, (usual, effect) in UNUSUAL_SETTINGS.items()
        if values.get(name, usual) != usual
    ]


def examine_files():
    """Read every data file that the package carries, and look for the weights.

    Returns:
        List of `Finding`.
    """
    from ..data import embedded

    cure = "Pulihkan dengan `git checkout common`; di Colab, mulai ulang dengan mesin baru."
    folder = Path(__file__).parents[1] / "pretrained"
    weights = list(folder.glob("*.safetensors"))
    findings = [] if weights else [Finding(Level.PROBLEM, f"bobot terlatih tidak ada di {folder}", cure)]
    for name in embedded.SHA256:
        try:
            embedded.read_verified(name)
        except (OSError, embedded.CorruptDataError) as error:
            findings.append(Finding(Level.PROBLEM, f"data {name}: {error}", cure))
    whole = f"{len(embedded.SHA256)} berkas data utuh, {len(weights)} berkas bobot terlatih; tidak perlu internet"
    return findings or [Finding(Level.GOOD, whole)]


def _amount(name, found, needed, cure):
    if found is None:
        return []
    text = f"{name} {found / GIB:.1f} GiB".replace(".", ",")
    if found >= needed:
        return [Finding(Level.GOOD, text)]
    return [Finding(Level.NOTICE, f"{text}, sebaiknya {needed // GIB} GiB", cure)]
