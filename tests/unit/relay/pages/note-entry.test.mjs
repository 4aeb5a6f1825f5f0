import assert from "node:assert/strict";
import { test } from "node:test";

import { NoteEntry, isComposing } from "../../../../relay/pages/lib/note-entry.js";

test("a note is about the moment when writing began, not about that of its last word", () => {
  let now_ms = 1000;
  const sent = [];
  const entry = new NoteEntry({ moment: () => now_ms, send: (text, at_ms) => sent.push([text, at_ms]) });
  entry.write("  ");
  entry.finish();
  assert.deepEqual([sent, entry.isEmpty], [[], true]);
  now_ms = 2000;
  entry.write("ㅅ");
  now_ms = 5000;
  entry.write(" 시험에 나옵니다 ");
  entry.finish();
  entry.finish();
  assert.deepEqual([sent, entry.isEmpty], [[["시험에 나옵니다", 2000]], true]);
  entry.write("gone");
  entry.write("");
  now_ms = 6000;
  entry.write("new");
  entry.finish();
  assert.deepEqual(sent.at(-1), ["new", 6000]);
});

test("Enter that ends a composition is not one that sends", () => {
  assert.ok(isComposing({ isComposing: true, keyCode: 229 }));
  assert.ok(isComposing({ isComposing: false, keyCode: 229 }));
  assert.ok(!isComposing({ isComposing: false, keyCode: 13 }));
});
