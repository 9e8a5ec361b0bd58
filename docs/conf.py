"""Sphinx settings. `docs.build` makes the sources in a scratch folder and copies this file there; nothing is run and nothing is fetched."""
import re

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

project = "brnpa_nb"
copyright = "2026 onwards, the brnpa_nb developers"
extensions = ["myst_nb"]
nb_execution_mode = "off"                       # the outputs that were committed are shown
nb_ipywidgets_js = {}                           # widgets have stills and explorers; the widget manager would come from another machine
nb_render_markdown_format = "myst"
nb_code_prompt_show = "Show the code"
nb_code_prompt_hide = "Hide the code"
nb_mime_priority_overrides = [("html", "image/png", 1), ("html", "image/jpeg", 1), ("html", "image/svg+xml", 1)]
myst_enable_extensions = ["dollarmath", "fieldlist", "colon_fence", "deflist"]
myst_heading_anchors = 3
myst_links_external_new_tab = True
python_maximum_signature_line_length = 80
python_display_short_literal_types = True
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
default_role = "code"
smartquotes_action = "D"                        # dashes only: quotation marks stay as they are in the code
html_theme = "furo"
html_title = "brnpa_nb"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_search_summary = False                # a page opened from disk may not read its neighbours
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005a8c", "color-brand-content": "#005a8c"},
    "dark_css_variables": {"color-brand-primary": "#8cc8f0", "color-brand-content": "#8cc8f0"},
    "navigation_with_keys": True,
}


def _mathml(text, block):
    "LaTeX as MathML; brackets of a given size become brackets of the size that fits."
    return tex2mathml(re.sub(r"\\[bB]igg?[lr]?(?![a-zA-Z])", "", text).replace("½", r"\frac{1}{2}"), as_block=block)


def _inline(self, node):
    self.body.append(_mathml(node.astext(), False))
    raise SkipNode


def _block(self, node):
    self.body.append(f'<div class="math">{_mathml(node.astext(), True)}</div>')
    raise SkipNode


def setup(app):
    "Formulae as MathML, which browsers draw themselves: no script, no font, no other machine."
    app.add_html_math_renderer("mathml", inline_renderers=(_inline, None), block_renderers=(_block, None))
    app.config.html_math_renderer = "mathml"
