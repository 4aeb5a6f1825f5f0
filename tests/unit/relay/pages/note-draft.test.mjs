import assert from "node:assert/strict";
import { test } from "node:test";

import { NoteDraft, isComposing } from "../../../../relay/pages/lib/note-draft.js";

test("a note is about the moment when writing began, not about that of its last word", () => {
  let now_ms = 1000;
  const sent = [];
  const draft = new NoteDraft({ moment: () => now_ms, send: (text, at_ms) => sent.push([text, at_ms]) });
  draft.write("  ");
  draft.finish();
  assert.deepEqual([sent, draft.isEmpty], [[], true]);
  now_ms = 2000;
  draft.write("ㅅ");
  now_ms = 5000;
  draft.write(" 시험에 나옵니다 ");
  draft.finish();
  draft.finish();
  assert.deepEqual([sent, draft.isEmpty], [[["시험에 나옵니다", 2000]], true]);
  draft.write("gone");
  draft.write("");
  now_ms = 6000;
  draft.write("new");
  draft.finish();
  assert.deepEqual(sent.at(-1), ["new", 6000]);
});

test("Enter that ends a composition is not one that sends", () => {
  assert.ok(isComposing({ isComposing: true, keyCode: 229 }));
  assert.ok(isComposing({ isComposing: false, keyCode: 229 }));
  assert.ok(!isComposing({ isComposing: false, keyCode: 13 }));
});
