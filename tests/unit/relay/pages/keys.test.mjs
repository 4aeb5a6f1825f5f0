import assert from "node:assert/strict";
import { test } from "node:test";

import { keyOf } from "../../../../relay/pages/lib/keys.js";

for (const [key, code, name] of [
  ["m", "KeyM", "m"],
  ["M", "KeyM", "m"],
  ["ㅡ", "KeyM", "m"],
  ["Process", "KeyQ", "q"],
  ["m", "Semicolon", "m"],
  ["?", "Slash", "?"],
  ["<", "Comma", "<"],
  ["ArrowLeft", "ArrowLeft", "ArrowLeft"],
  ["7", "Digit7", "7"],
]) {
  test(`a keyboard that writes ${key} with ${code} means ${name}`, () => assert.equal(keyOf({ key, code }), name));
}
