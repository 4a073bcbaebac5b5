"""Write speed.md and speed.png from speed.json: `python -m benchmarks.report`."""

import json
from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks.loading import BATCH_SIZE, COUNT
from benchmarks.tasks import MATMUL_FLOPS

FOLDER = Path(__file__).parent
NAMES = {
    "textbook": "NNX buku teks",
    "common": "common",
    "torch": "PyTorch eager",
    "torch.compile": "torch.compile",
}
COLORS = {"textbook": "#999999", "common": "#0072B2", "torch": "#D55E00", "torch.compile": "#E69F00"}
LINES = {"textbook": "s:", "common": "o-", "torch": "^--"}  # told apart in greyscale too
TARGETS = {  # workload: {other contender: how many times faster than it}; "share" is that of the matrix product
    "mlp": {"textbook": 1.8, "torch": 1.3},
    "cnn": {"textbook": 2.0, "torch": 0.9, "share": 0.4},
    "lstm": {"textbook": 1.5, "torch": 1.0, "share": 0.4},
    "dcgan": {"textbook": 3.0, "torch": 0.8},
    "gpt": {"torch": 1.0, "share": 0.4},
}
WRITING_TARGET = 2.0  # times faster than PyTorch eager, both with a memory of what was read


def format_line(result):
    """Return one line for the terminal: milliseconds of every contender, and its time in units of ours."""
    contenders = result["contenders"]
    ours = contenders.get("common", next(iter(contenders.values())))["median"]
    parts = [f"{name} {1e3 * c['median']:.2f} ms ({c['median'] / ours:.2f})" for name, c in contenders.items()]
    return f"{result['title']}: {', '.join(parts)}"


def _decimal(value, digits=2):
    return f"{value:.{digits}f}".replace(".", ",")


def _table(heading, rows):
    lines = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def _milliseconds(contender):
    if contender is None:
        return "-"
    low, high = contender["quartiles"]
    return f"{_decimal(1e3 * contender['median'])} ({_decimal(1e3 * low)}-{_decimal(1e3 * high)})"


def _training_rows(results):
    for result in results["training"].values():
        found = result["contenders"]
        ratios = [
            _decimal(found[other]["median"] / found["common"]["median"]) if other in found else "-"
            for other in ("textbook", "torch", "torch.compile")
        ]
        size = "x".join(map(str, result["batch"])) if isinstance(result["batch"], list) else str(result["batch"])
        times = [_milliseconds(found.get(name)) for name in NAMES]
        yield [result["title"], size, *times, *ratios, f"{100 * found['common']['share']:.0f}%"]


def _cost_rows(results):
    for result in results["training"].values():
        found = result["contenders"]
        first = [_decimal(found[name]["first_call"], 1) if name in found else "-" for name in NAMES]
        memory = [f"{found[name]['peak_memory'] / 1e6:.0f}" if name in found else "-" for name in NAMES]
        yield [result["title"], *first, *memory]


def _target_rows(results):
    for name, targets in TARGETS.items():
        found = results["training"][name]["contenders"]
        for other, target in targets.items():
            if other != "share" and other not in found:
                continue
            share = other == "share"
            value = found["common"]["share"] if share else found[other]["median"] / found["common"]["median"]
            against = "bagian laju perkalian matriks" if share else f"kali lebih cepat daripada {NAMES[other]}"
            yield _target_row(f"{results['training'][name]['title']}: {against}", target, value)
    for result in results["writing"].values():
        found = result["contenders"]
        if "torch" in found:
            value = found["torch"]["median"] / found["common"]["median"]
            what = f"{result['title']}, menulis teks: kali lebih cepat daripada {NAMES['torch']}"
            yield _target_row(what, WRITING_TARGET, value)


def _target_row(what, target, value):
    return [what, _decimal(target, 3), _decimal(value, 3), "tercapai" if value >= target else "belum"]


def _writing_rows(results):
    for result in results["writing"].values():
        for name, contender in result["contenders"].items():
            if name != "matmul":
                yield [result["title"], name, f"{result['tokens'] / contender['median']:,.0f}".replace(",", ".")]


def _other_rows(results):
    fit, ensemble = results["fit"], results["ensemble"]
    alone, whole = fit["step alone"]["median"], fit["fit"]["median"]
    yield [
        "`fit` (pemuat data, bilah kemajuan, metrik) terhadap langkahnya saja",
        f"+{_decimal(100 * (whole / alone - 1), 1)}%",
    ]
    ratio = ensemble["8 one by one"]["median"] / ensemble["8 at once"]["median"]
    yield ["delapan MLP satu per satu terhadap sekaligus dengan `vmap`", f"{_decimal(ratio)} kali"]
    for name, contender in results["load"].items():
        if name != "matmul":
            rate = BATCH_SIZE * (COUNT // BATCH_SIZE) / contender["median"]
            yield [f"memuat gambar: {name}", f"{rate:,.0f} gambar/s".replace(",", ".")]


def write_table(results):
    """Write speed.md."""
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items() if value is not None)
    speed = MATMUL_FLOPS / results["training"]["mlp"]["contenders"]["matmul"]["median"] / 1e9
    apart = results.get("measured_apart", [])  # parts that were measured after the run of all others
    lines = [
        "# Kecepatan pada dua inti CPU",
        "",
        f"Dibuat oleh `make bench` dari `speed.json`. Mesin: {machine}. Perkalian matriks 2048x2048: {speed:.0f} "
        "GFLOP/s.",
        "",
        f"Setiap peserta berjalan dalam prosesnya sendiri, bergantian, {results['repeats']} kali, dari bobot sama; "
        "nilai *loss* dan gradiennya dicocokkan lebih dahulu. Waktu adalah median dalam milidetik, di dalam kurung "
        "kuartilnya." + (f" Diukur tersendiri sesudahnya: {', '.join(apart)}." if apart else ""),
        "",
        "## Satu langkah pelatihan",
        "",
        *_table(
            ["beban", "ukuran", *NAMES.values(), "x buku teks", "x eager", "x compile", "laju matriks"],
            _training_rows(results),
        ),
        "Kolom `x` menyatakan berapa kali `common` lebih cepat; di bawah 1 berarti lebih lambat. Kolom terakhir: "
        "bagian laju perkalian matriks yang dicapai `common`, dihitung dari FLOP konvolusi dan perkalian matriksnya.",
        "",
        "## Target",
        "",
        *_table(["target", "sekurangnya", "terukur", ""], _target_rows(results)),
        "## Panggilan pertama (s, termasuk kompilasi) dan memori puncak (MB)",
        "",
        *_table(
            ["beban", *(f"{name}, s" for name in NAMES.values()), *(f"{name}, MB" for name in NAMES.values())],
            _cost_rows(results),
        ),
        "## Menulis teks",
        "",
        *_table(["model", "cara", "token/s"], _writing_rows(results)),
        "*rereading*: seluruh teks dibaca ulang untuk setiap token; tanpa kata itu, yang sudah dibaca diingat (keadaan "
        "LSTM, atau kunci dan nilai atensi).",
        "",
        "## Lain-lain",
        "",
        *_table(["yang diukur", "hasil"], _other_rows(results)),
        "![Waktu relatif dan pertumbuhan biaya](speed.png)",
    ]
    (FOLDER / "speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def draw(results):
    """Draw speed.png: time in units of `common`, and how the cost grows."""
    figure = plt.figure(figsize=(11, 7), layout="constrained")
    grid = figure.add_gridspec(2, 4, height_ratios=(1.2, 1))
    axes = figure.add_subplot(grid[0, :])
    names = [name for name in NAMES if any(name in r["contenders"] for r in results["training"].values())]
    for place, name in enumerate(names):
        bars = [
            (row + 0.2 * place, r["contenders"][name]["median"] / r["contenders"]["common"]["median"])
            for row, r in enumerate(results["training"].values())
            if name in r["contenders"]
        ]
        axes.bar(*zip(*bars, strict=True), 0.19, color=COLORS[name], label=NAMES[name])
    axes.set_xticks([row + 0.3 for row in range(len(results["training"]))])
    axes.set_xticklabels([r["title"].replace(" ", "\n", 1) for r in results["training"].values()])
    axes.axhline(1, color="black", linewidth=0.8)
    axes.set(ylabel="waktu satu langkah (common = 1)", title="Satu langkah pelatihan, dua inti CPU")
    axes.legend()
    for column, (name, rows) in enumerate(results["growth"].items()):
        axes = figure.add_subplot(grid[1, column])
        sizes = [size[1] if isinstance(size, list) else size for size, _ in rows]
        for contender in ("textbook", "common", "torch"):
            if all(contender in times for _, times in rows):
                times = [1e3 * times[contender] for _, times in rows]
                axes.loglog(
                    sizes, times, LINES[contender], color=COLORS[contender], markersize=4, label=NAMES[contender]
                )
        is_text = isinstance(rows[0][0], list)
        axes.set(
            xlabel="panjang teks, T (B = 16)" if is_text else "ukuran batch, B",
            title=results["training"][name]["title"],
        )
        axes.set_xticks(sizes, [str(size) for size in sizes], minor=False)
        axes.set_xticks([], minor=True)
    figure.axes[1].set_ylabel("milidetik")
    figure.axes[1].legend(fontsize=7)
    figure.savefig(FOLDER / "speed.png", dpi=80)
    plt.close(figure)


def main():
    """Read speed.json; write the table and the figure."""
    results = json.loads((FOLDER / "speed.json").read_text(encoding="utf-8"))
    write_table(results)
    draw(results)


if __name__ == "__main__":
    main()
