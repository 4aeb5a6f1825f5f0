// The library page's upload: hashed in pieces, sent in pieces, going on after a broken line.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { uploadImport } from "../../../../relay/pages/lib/import-upload.js";
import { Sha256 } from "../../../../relay/pages/lib/sha256.js";

test("SHA-256 in pieces is the one that everybody else computes", () => {
  const data = new Uint8Array(1000).map((_, at) => (at * 31) ^ (at >> 3));
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 1000]) {
    const hash = new Sha256().update(data.subarray(0, length >> 1)).update(data.subarray(length >> 1, length));
    assert.equal(hash.hex(), createHash("sha256").update(data.subarray(0, length)).digest("hex"));
  }
});

test("a broken line costs only what was not yet there", async (t) => {
  const bytes = new Uint8Array(1_200_000).map((_, at) => at % 251);
  const file = new File([bytes], "a.lecture");
  const got = new Uint8Array(bytes.length);
  let [asked, here] = [0, 0];
  t.mock.method(globalThis, "fetch", async (url, { method, headers, body }) => {
    asked += 1;
    if (asked === 3) throw new TypeError("the line is broken");
    if (method === "POST") assert.equal(JSON.parse(body).sha256, createHash("sha256").update(bytes).digest("hex"));
    if (method === "PATCH") {
      assert.equal(headers["Upload-Offset"], String(here));
      got.set(new Uint8Array(await body.arrayBuffer()), here);
      here += body.size;
    }
    const state = here === bytes.length ? "done" : "receiving";
    return Response.json({ upload: "u1", received_bytes: here, size_bytes: bytes.length, state, progress: 0, lectures: [], error: null });
  });
  const steps = new Set();
  const result = await uploadImport(file, () => ({}), false, (step) => steps.add(step), new AbortController().signal);
  assert.equal(result.state, "done");
  assert.deepEqual([...steps], ["reading", "sending", "broken"]);
  assert.deepEqual(got, bytes);
});
