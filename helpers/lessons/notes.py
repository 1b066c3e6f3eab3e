"""Boxed notes in a notebook, shown as widget, page and plain text."""

import html
import re

from IPython import get_ipython
from IPython.display import display

# Written by hand, as widgets of ipywidgets 7 (Colab) have no mimebundle.
WIDGET = "application/vnd.jupyter.widget-view+json"

# JupyterLab's own colours, which follow its theme, light or dark; the second ones are for pages without it.
ASKED = "var(--jp-brand-color1, #0072B2)"
TRUE = "var(--jp-success-color1, #00805D)"
WRONG = "var(--jp-error-color1, #C04D00)"
OPEN = "var(--jp-ui-font-color2, #6B7480)"


def inline(text):
    """Text with `code` and *stress* as HTML."""
    parts = html.escape(text, quote=False).split("`")
    parts[::2] = [re.sub(r"\*([^*]+)\*", r"<em>\1</em>", part) for part in parts[::2]]
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]]
    return "".join(parts)


def tell(text, page=None, color=ASKED, widget=None, prediction=None):
    """Show a text in a box with a coloured line at its left, in every form: widget for a live page, HTML for a reader, plain for tests.

    page: its HTML, if it is not only the text with `code` and *stress*.
    prediction: what is asked or measured, for programs that read the saved notebook; it becomes metadata of the output.
    """
    if get_ipython() is None:
        print(text)
        return
    style = f"border-left:3px solid {color};padding:0.1em 0.8em;margin:0.2em 0"
    bundle = {"text/plain": text, "text/html": f"<div style='{style}'>{inline(text) if page is None else page}</div>"}
    if widget is not None:
        bundle[WIDGET] = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    display(bundle, raw=True, metadata={"prediction": prediction} if prediction else None)
