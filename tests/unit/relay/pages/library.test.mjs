import assert from "node:assert/strict";
import { test } from "node:test";

import { momentAddress, readAddress, readTags, writeAddress } from "../../../../relay/pages/lib/library.js";

test("an address says what is asked for, and nothing else", () => {
  const asked = readAddress("?q=탄력%20&course=A%26B&page=2&zzz=1");
  assert.deepEqual([asked.q, asked.course, asked.tag, asked.page], ["탄력 ", "A&B", "", "2"]);
  assert.deepEqual(readAddress(writeAddress(asked)), asked);
  assert.equal(writeAddress(readAddress("?page=1&q=")), "");
});

test("a moment is told in seconds", () => {
  assert.equal(momentAddress("waves/../x", 95_240), "/library/waves%2F..%2Fx#t=95.2");
  assert.equal(momentAddress("waves", 0), "/library/waves");
});

test("tags are read as they are typed", () => {
  assert.deepEqual(readTags(" 시장, intro,,intro , two words"), ["시장", "intro", "two words"]);
});
