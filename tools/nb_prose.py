"""Take the Indonesian prose out of Markdown: no code, mathematics, addresses, HTML or foreign words in italics."""

import re

LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(\s*<?([^)\s>]*)>?[^)]*\)")
HTML_TARGET = re.compile(r"<(?:img|a)\b[^>]*?\b(?:src|href)\s*=\s*[\"']([^\"']*)", re.IGNORECASE)
HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
DETAILS = re.compile(r"<details.*?</details>", re.DOTALL | re.IGNORECASE)
TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
GONE = "\0"  # stands for what was cut out, so that endings hanging on it ("*batch*-nya") go too
_BLOCKS = (
    re.compile(r"^\s*(```|~~~).*?^\s*\1\s*$", re.DOTALL | re.MULTILINE),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL),
    re.compile(r"<!--.*?-->", re.DOTALL),
)
_SPANS = (
    re.compile(r"<(code|pre)\b[^>]*>.*?</\1>", re.DOTALL | re.IGNORECASE),
    re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL),
    re.compile(r"(?<![\\$\w])\$(?!\s)[^$]+?(?<![\s\\])\$(?!\d)"),
    re.compile(r"https?://\S+"),
    re.compile(r"</?[A-Za-z][^<>]*>"),
    re.compile(r"&#?\w+;"),
)
_ITALICS = (
    re.compile(r"<(i|em)\b[^>]*>.*?</\1>", re.DOTALL | re.IGNORECASE),
    re.compile(r"\*\*\*(?=\S).+?(?<=\S)\*\*\*", re.DOTALL),
    re.compile(r"(?<![*\w\\])\*(?![\s*])[^*]+?(?<![\s*])\*(?!\*)"),
    re.compile(r"(?<![_\w\\])_(?![\s_])[^_]+?(?<![\s_])_(?![_\w])"),
)
_HANGING = re.compile(r"(?:[^\W_]+-)*\0+(?:-[^\W_]+)*")


def plain_text(source, *, italics=True):
    """Return the prose of a Markdown source, its lines kept.

    Args:
        source: Markdown.
        italics: keep the words in italics (for counting); without them only Indonesian is left.
    """
    text = source
    for pattern in _BLOCKS:
        text = pattern.sub(lambda match: GONE + "\n" * match.group().count("\n"), text)
    for pattern in _SPANS[:3]:  # code first: it may hold brackets and dollars
        text = pattern.sub(GONE, text)
    text = LINK.sub(lambda match: match.group(2), text)
    text = LINK.sub(lambda match: match.group(2), text)  # a picture inside a link
    if not italics:
        for pattern in _ITALICS[:2]:
            text = pattern.sub(GONE, text)
        text = text.replace("**", "")
        for pattern in _ITALICS[2:]:
            text = pattern.sub(GONE, text)
    for pattern in _SPANS[3:]:
        text = pattern.sub(GONE, text)
    return _HANGING.sub(" ", text)


def count_words(source):
    """Count the words of a Markdown source, hints and answers in <details> left out."""
    return len(TOKEN.findall(plain_text(DETAILS.sub("", source))))


def links(source):
    """List what a Markdown source points to.

    Returns:
        List of (is a picture, text, target), HTML tags included.
    """
    text = _BLOCKS[0].sub("", source)
    for pattern in _SPANS[:2]:
        text = pattern.sub("", text)
    found = []
    for picture, label, target in LINK.findall(text):
        found.append((bool(picture), label, target))
        found += [(bool(inner), inner_label, at) for inner, inner_label, at in LINK.findall(label)]
    for tag in HTML_IMAGE.findall(text):
        alt = re.search(r"\balt\s*=\s*[\"']([^\"']*)", tag, re.IGNORECASE)
        found.append((True, alt.group(1) if alt else "", _first(HTML_TARGET.findall(tag))))
    rest = HTML_IMAGE.sub("", text)
    return found + [(False, "", target) for target in HTML_TARGET.findall(rest)]


def _first(items):
    return items[0] if items else ""
