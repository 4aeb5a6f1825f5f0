"""A page's modules as one script: for thin lines, where each request costs a round trip, and pages without a server.

Takes what our pages use of modules and no more: named imports by relative paths at the beginning of a line, exports of
declarations, no cycles. Comments and indentation are left out.
"""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import\s*(?:\{([^}]*)\}\s*from\s*)?"(\.{1,2}/[^"]+)";[ \t]*$', re.MULTILINE)
_EXPORT = re.compile(r"^export\s+(?=(?:async\s+)?(?:function\*?|class|const|let)\s+(\w+))", re.MULTILINE)
_BLOCK_COMMENT = re.compile(r"^[ \t]*/\*\*?(?:(?!\*/).)*\*/[ \t]*$", re.MULTILINE | re.DOTALL)
_LINE_COMMENT = re.compile(r"^[ \t]*//.*$", re.MULTILINE)
_CAST = re.compile(r"/\*\*\s*@type(?:(?!\*/).)*\*/\s*")


class BundleError(ValueError):
    """A module does something that a bundle cannot hold; the text names it."""


def bundle(entry: Path) -> str:
    """The module ``entry`` with all that it imports, as one module with the exports of ``entry``.

    Written so that a classic script works too, if ``entry`` exports nothing and awaits nothing at its top.

    :raises BundleError: for a cycle, or an import or export of another form.
    """
    modules: dict[Path, str] = {}
    parts: list[str] = []
    _add(entry.resolve(), modules, (), parts, is_entry=True)
    return "\n".join(parts) + "\n"


def files(entry: Path) -> list[Path]:
    """The modules that a bundle of ``entry`` is made of, ``entry`` last."""
    modules: dict[Path, str] = {}
    _add(entry.resolve(), modules, (), [], is_entry=True)
    return list(modules)


def _add(path: Path, modules: dict[Path, str], importers: tuple[Path, ...], parts: list[str], *, is_entry: bool) -> str:
    if path in modules:
        return modules[path]
    if path in importers:
        raise BundleError(f"{path.name} imports itself through {importers[-1].name}")
    source = path.read_text()
    imports = []
    for names, target in _IMPORT.findall(source):
        name = _add((path.parent / target).resolve(), modules, (*importers, path), parts, is_entry=False)
        if names.strip():
            imports.append(f"const {{{_renamed(names)}}} = {name};")
    body = _IMPORT.sub("", source)
    exported = _EXPORT.findall(body)
    if not is_entry:
        body = _EXPORT.sub("", body)
    if odd := re.search(
        r"^(?:import\s*[^(.\s]|export\s(?!(?:async\s+)?(?:function|class|const|let)\s)).*", body, re.MULTILINE
    ):
        raise BundleError(f"{path.name}: “{odd[0]}” has a form that is not known here")
    lines = [*imports, _bare(body)]
    name = modules[path] = f"m{len(modules)}"
    if not is_entry:
        lines = [f"const {name} = (() => {{", *lines, f"return {{{', '.join(exported)}}};", "})();"]
    parts.extend(lines)
    return name


def _renamed(names: str) -> str:
    """``a, b as c`` as a destructuring: ``a, b: c``."""
    return ", ".join(re.sub(r"\s+as\s+", ": ", name.strip()) for name in names.split(",") if name.strip())


def _bare(body: str) -> str:
    body = _LINE_COMMENT.sub("", _BLOCK_COMMENT.sub("", body))
    body = _CAST.sub("", body)
    return "\n".join(line for line in (line.strip() for line in body.splitlines()) if line)
