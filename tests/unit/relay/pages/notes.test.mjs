import assert from "node:assert/strict";
import { test } from "node:test";

import { MAX_NOTES, Notes } from "../../../../relay/pages/lib/notes.js";

const SHOWN_MS = 30_000;
const LATE_MS = 300_000;
const notes = (...texts) => {
  const made = new Notes();
  for (const [t_ms, text] of texts) made.take({ seq: t_ms + 1, t_ms, entry_kind: 9, fields: { text } });
  return made;
};

test("a note is shown when its moment is heard, for a while or until the next one", () => {
  const made = notes([9000, "쉬는 시간"], [5000, "Break"]);
  assert.equal(made.look(4999, 0), "");
  assert.equal(made.look(5000, 100), "Break");
  assert.equal(made.look(8999, 200), "Break");
  assert.equal(made.look(9000, 300), "쉬는 시간");
  assert.equal(made.look(9000, 299 + SHOWN_MS), "쉬는 시간");
  assert.equal(made.look(9000, 300 + SHOWN_MS), "");
});

test("a note that comes late is shown as long as any other, one that is history not at all", () => {
  const made = notes();
  assert.equal(made.look(20_000, 0), "");
  made.take({ seq: 1, t_ms: 8000, entry_kind: 9, fields: { text: "late" } });
  assert.equal(made.look(20_000, 1), "late");
  assert.equal(made.look(20_000, SHOWN_MS), "late");
  assert.equal(notes([5000, "old"]).look(5001 + LATE_MS, 0), "");
});

test("of very many notes the newest are known", () => {
  const made = notes(...Array.from({ length: MAX_NOTES + 1 }, (_, at) => [MAX_NOTES - at, `note ${MAX_NOTES - at}`]));
  assert.deepEqual([0, 1, MAX_NOTES].map((t_ms) => made.look(t_ms, 0)), ["", "note 1", `note ${MAX_NOTES}`]);
});

test("an empty note takes the one before away; what makes no sense is ignored", () => {
  const made = notes([0, "Welcome"], [1000, " \n"], [2000, 7]);
  made.take({ seq: 9, t_ms: 0, entry_kind: 8, fields: { text: "Why?" } });
  assert.deepEqual([0, 1000, 2000].map((t_ms) => made.look(t_ms, 0)), ["Welcome", "", ""]);
});
