"""Sphinx settings: Markdown pages, the package's docstrings, and no network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

from addresses import project as read_project

project = "aiterkit"
release = version = read_project()["version"]
copyright = "the aiterkit authors"

extensions = [
    "myst_parser",
    "sphinxcontrib_trio",
    "sphinx.ext.autodoc",  # which sphinxcontrib_trio takes for granted
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "timelines",
    "operators",
    "copyable",
    "polish",
]
default_role = "py:obj"
nitpicky = True
# Docstrings speak of it, and it is not there yet.
exclude_patterns = ["_ext"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3
python_maximum_signature_line_length = 120
copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True
toc_object_entries = False
add_module_names = False

html_theme = "furo"
pygments_dark_style = "github-dark"  # furo's own underlines what is imported
html_title = "aiterkit"
html_static_path = ["_static"]
html_favicon = "_static/favicon.svg"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {
        "font-stack": "system-ui, -apple-system, 'Segoe UI', sans-serif",
        "font-stack--monospace": "ui-monospace, Menlo, Consolas, monospace",
    },
    "top_of_page_buttons": ["edit"],
}
