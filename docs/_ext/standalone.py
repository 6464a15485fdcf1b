"""A picture of a page as a file of its own, which brings its colours.

Where it is shown as an image, the page's colours do not reach it: so those of light
and of dark go with it, and a ground, since what is behind it may be either.
"""

import re
from collections.abc import Mapping
from pathlib import Path

STYLES = Path(__file__).parent.parent / "_static" / "timelines.css"
_COMMON = {"error": "#d33", "cancelled": "#c80"}
LIGHT = {
    "--color-foreground-primary": "#000000",
    "--color-foreground-secondary": "#5a5c63",
    "--color-foreground-muted": "#6b6f76",
    "--color-background-primary": "#ffffff",
    "--color-background-secondary": "#f8f9fb",
    "--color-background-border": "#dddfe3",
    "--color-brand-primary": "#0a4bff",
}
DARK = {
    "--color-foreground-primary": "#dfe2e7",
    "--color-foreground-secondary": "#a2a6ad",
    "--color-foreground-muted": "#868b93",
    "--color-background-primary": "#0d1117",
    "--color-background-secondary": "#1a1c1e",
    "--color-background-border": "#30363d",
    "--color-brand-primary": "#5b9dff",
}
"""The names are furo's; its colours, or near them."""

_RULE = re.compile(r"^\.(?P<kind>timeline|chart) (?P<rule>.*\})$", re.MULTILINE)
_MIX = re.compile(r"color-mix\(in srgb, (#\w{6}) (\d+)%, (#\w{6})\)")
_FONTS = {
    "timeline": "12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
    "chart": "13px system-ui, -apple-system, 'Segoe UI', sans-serif",
}


def _mixed(found: re.Match[str]) -> str:
    share = int(found[2]) / 100
    pairs = [
        (int(found[1][n : n + 2], 16), int(found[3][n : n + 2], 16)) for n in (1, 3, 5)
    ]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def rules(kind: str, colours: Mapping[str, str]) -> str:
    """Return the page's rules for one *kind* of picture, with these *colours*."""
    css = "".join(
        found["rule"]
        for found in _RULE.finditer(STYLES.read_text(encoding="utf-8"))
        if found["kind"] == kind
    )
    css = re.sub(r"var\((--[\w-]+)\)", lambda found: colours[found[1]], css)
    ground = colours["--color-background-primary"]
    return _MIX.sub(_mixed, css) + f".ground{{fill:{ground}}}"


def standalone(svg: str, kind: str, title: str) -> str:
    """Return the file of a picture that `pictures` or `measured` drew."""
    label = re.search(r'aria-label="([^"]*)"', svg)
    head, mark, body = svg.partition(">")
    words = f"<title>{title}</title><desc>{label[1] if label else ''}</desc>"
    style = (
        f"<style>svg{{font:{_FONTS[kind]}}}{rules(kind, LIGHT)}"
        f"@media(prefers-color-scheme:dark){{{rules(kind, DARK)}}}</style>"
    )
    ground = '<rect class="ground" width="100%" height="100%" rx="6"/>'
    head = head.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
    return f"{head}{mark}{words}{style}{ground}{body}\n"
