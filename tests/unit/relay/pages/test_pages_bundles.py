"""Our pages' modules as single scripts, run in node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from recordings.script_bundle import bundle
from relay import pages

NODE = shutil.which("node")
MODULES = sorted([*pages.FOLDER.glob("lib/*.js"), *pages.FOLDER.glob("ui/*.js")])

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def run(script: str, *arguments: str) -> str:
    command = [str(NODE), "--no-warnings", "--experimental-vm-modules", "--input-type=module", "-e", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


PARSE = """
import vm from "node:vm";
import {readFileSync} from "node:fs";
const [kind, ...paths] = process.argv.slice(1);
for (const path of paths) new vm[kind](readFileSync(path, "utf8"), {identifier: path});
"""
COMPARE = """
const described = async (url) => Object.entries(await import(url)).map(([name, value]) => {
  if (typeof value === "function") return [name, value.length];
  return [name, typeof value === "object" ? JSON.stringify(value) : value];
});
const all = [];
for (const pair of JSON.parse(process.argv[1])) all.push([await described(pair[0]), await described(pair[1])]);
console.log(JSON.stringify(all));
"""


def test_every_module_of_the_pages_can_be_bundled_and_parses(tmp_path: Path) -> None:
    for module in MODULES:
        (tmp_path / f"{module.parent.name}-{module.name}").write_text(bundle(module))
    run(PARSE, "SourceTextModule", *map(str, sorted(tmp_path.iterdir())))


def test_bundles_export_what_their_modules_do(tmp_path: Path) -> None:
    pairs = []
    for module in pages.FOLDER.glob("lib/*.js"):
        bundled = tmp_path / f"{module.stem}.mjs"
        bundled.write_text(bundle(module))
        pairs.append([module.as_uri(), bundled.as_uri()])
    found = json.loads(run(COMPARE, json.dumps(pairs)))
    assert len(found) > 15
    for module, bundled in found:
        assert bundled == module


def test_the_packs_script_is_a_classic_one(tmp_path: Path) -> None:
    script = tmp_path / "replay.js"
    script.write_text(bundle(pages.FOLDER / "ui/replay-pack.js"))
    run(PARSE, "Script", str(script))
