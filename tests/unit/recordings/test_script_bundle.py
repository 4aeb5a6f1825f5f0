"""Modules made into one script: what node runs of the bundle is what it runs of the modules."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from recordings.script_bundle import BundleError, bundle, files

NODE = shutil.which("node")

MODULES = {
    "deep/base.mjs": """
        /** A comment with export function nothing() in it. */
        export const ONE = 1;
        export class Base {
          // import { x } from "./nowhere.mjs";
          get value() { return ONE; }
        }
        const hidden = 5;
        export function five() { return hidden; }
    """,
    "left.mjs": """
        import { Base, five as fifth } from "./deep/base.mjs";
        const hidden = 7;
        export class Left extends Base { get value() { return super.value + fifth() + hidden; } }
    """,
    "entry.mjs": """
        import { ONE } from "./deep/base.mjs";
        import { Left } from "./left.mjs";
        import "./deep/base.mjs";
        export async function run() { return [ONE, new Left().value, "https://x/y"].join(); }
        console.log(await run());
    """,
}


def write(folder: Path, modules: dict[str, str]) -> Path:
    for name, text in modules.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(line.removeprefix("        ") for line in text.splitlines()))
    return folder / "entry.mjs"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_a_bundle_does_what_its_modules_do(tmp_path: Path) -> None:
    entry = write(tmp_path, MODULES)
    made = tmp_path / "made" / "bundle.mjs"
    made.parent.mkdir()
    made.write_text(bundle(entry))
    said = [
        subprocess.run([str(NODE), str(path)], capture_output=True, text=True, timeout=30) for path in (entry, made)
    ]
    assert said[0].stdout == said[1].stdout == "1,13,https://x/y\n", said[1].stderr
    assert "comment" not in made.read_text()
    assert [path.name for path in files(entry)] == ["base.mjs", "left.mjs", "entry.mjs"]


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        ({"entry.mjs": 'import { a } from "./b.mjs";', "b.mjs": 'import { c } from "./entry.mjs";'}, "imports itself"),
        ({"entry.mjs": 'import a from "./b.mjs";', "b.mjs": ""}, "form that is not known"),
        ({"entry.mjs": 'import { a } from "./b.mjs";', "b.mjs": "export default 5;"}, "form that is not known"),
        ({"entry.mjs": 'export { a } from "./b.mjs";', "b.mjs": ""}, "form that is not known"),
    ],
)
def test_what_a_bundle_cannot_hold_is_refused(tmp_path: Path, modules: dict[str, str], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        bundle(write(tmp_path, modules))
