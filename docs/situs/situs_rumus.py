"""Hand displayed formulas to MathJax as they are: Sphinx would put `\\\\` into an environment that forbids `\\tag`."""

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform


class PlainFormulas(SphinxPostTransform):
    """Delimit tagged formulas here, so that Sphinx adds nothing."""

    default_priority = 400

    def run(self, **kwargs):
        """Change one page."""
        for block in self.document.findall(nodes.math_block):
            latex = block.astext()
            if r"\tag" in latex and not block.get("no-wrap"):
                block.children = [nodes.Text(rf"\[{latex}\]")]
                block["no-wrap"] = block["nowrap"] = True


def setup(app):
    """Register the transform with Sphinx."""
    app.add_post_transform(PlainFormulas)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
