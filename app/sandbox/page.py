"""The sandbox's one page for people: its magic numbers and where to look."""

from __future__ import annotations

from html import escape

from app.sandbox.magic import MAGIC_NUMBERS, MagicNumber

_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
"""


def page() -> str:
    """Write the page; it loads nothing from anywhere."""
    rows = "\n".join(_row(magic) for magic in MAGIC_NUMBERS)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>SMS sandbox</title>
<style>{_STYLE}</style>
<h1>SMS sandbox</h1>
<p>A pretend carrier network. Nothing sent here reaches a phone. Any recipient is delivered, except these:</p>
<table>
<thead><tr><th>To</th><th>What happens</th><th>Final status</th><th>Error</th>
<th>If nobody asks</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
<p>What the handsets received: <a href="/sandbox/inbox">/sandbox/inbox</a>.
What was submitted: <a href="/sandbox/submissions">/sandbox/submissions</a>,
and more than once: <a href="/sandbox/submissions/duplicates">/sandbox/submissions/duplicates</a>.</p>
</html>
"""


def _row(magic: MagicNumber) -> str:
    unasked = "" if magic.unasked is magic.expected else magic.unasked
    cells = (magic.number, magic.happens, magic.expected, magic.error or "", unasked)
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
