"""Link the first use of a glossary term on each page to the glossary, with its English name as a tooltip."""

import re
from functools import cache

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

from tools.nb_spelling import glossary_rows

PAGE = "glosarium"
SKIPPED = (nodes.title, nodes.reference, nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.table)
SHORTEST = 4  # letters: shorter terms are common words


def anchor_of(term):
    """Return the anchor of a term on the page of the glossary."""
    return "istilah-" + re.sub(r"[^a-z0-9]+", "-", term.lower()).strip("-")


@cache
def terms():
    """Return {term: English name} of what deserves a tooltip: terms that differ from their English name."""
    rows = glossary_rows()
    return {term: english for term, english, _ in rows if len(term) >= SHORTEST and term.lower() != english.lower()}


@cache
def pattern():
    """Return the regular expression of all terms, longest first."""
    longest_first = sorted(terms(), key=len, reverse=True)
    return re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])")


class GlossaryLinks(SphinxPostTransform):
    """Replace first uses in running text; headings, links, code, formulas and tables stay as they are."""

    default_priority = 700

    def run(self, **kwargs):
        """Change one page."""
        name = self.env.docname
        if name == PAGE or not re.match(r"[1-6]-\w+/", name):
            return
        seen = set()
        for text in list(self.document.findall(nodes.Text)):
            if not _is_running_text(text):
                continue
            pieces = self._pieces(str(text), seen, "../" * name.count("/"))
            if len(pieces) > 1:
                text.parent.replace(text, pieces)

    def _pieces(self, text, seen, up):
        pieces, end = [], 0
        for match in pattern().finditer(text):
            term = match[1]
            if term in seen:
                continue
            seen.add(term)
            link = f"{up}{PAGE}.html#{anchor_of(term)}"
            pieces += [
                nodes.Text(text[end : match.start()]),
                nodes.reference("", term, refuri=link, reftitle=f"Inggris: {terms()[term]}", classes=["istilah"]),
            ]
            end = match.end()
        return [*pieces, nodes.Text(text[end:])] if pieces else [nodes.Text(text)]


def _is_running_text(text):
    parents, node = [], text.parent
    while node is not None:
        parents.append(node)
        node = node.parent
    return any(isinstance(node, nodes.paragraph) for node in parents) and not any(
        isinstance(node, SKIPPED) for node in parents
    )


def setup(app):
    """Register the transform with Sphinx."""
    app.add_post_transform(GlossaryLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
