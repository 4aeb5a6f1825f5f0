import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { BlobStore, parseBlobFrame } from "../../../../relay/pages/lib/frames.js";

/** Frames packed by lecture.wire, the protocol's own implementation. */
const vectors = JSON.parse(readFileSync(process.env.HALLCAST_FRAME_VECTORS, "utf8"));

const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex")).buffer;

test("frames of the relay are read as they were written", () => {
  for (const { frame, digest, mediaType, offset, total, data } of vectors.blobs) {
    const parsed = parseBlobFrame(bytes(frame));
    assert.deepEqual({ ...parsed, payload: Buffer.from(parsed.payload).toString("hex") }, { digest, mediaType, offset, total, payload: data });
  }
});

test("other kinds, other versions and frames cut short are not taken", () => {
  const [{ frame }] = vectors.blobs;
  for (const bad of [vectors.chunk, "", "01", frame.slice(0, 80), `02${frame.slice(2)}`, `01ff${frame.slice(4)}`]) {
    assert.equal(parseBlobFrame(bytes(bad)), null);
  }
  const beyond = new Uint8Array(bytes(frame));
  new DataView(beyond.buffer).setUint32(35, 1_000_000);
  assert.equal(parseBlobFrame(beyond.buffer), null);
});

const piece = (digest, offset, total, text) => ({ digest, mediaType: "image/avif", offset, total, payload: Buffer.from(text) });

test("a blob is there when its last piece has come, and not before", () => {
  const store = new BlobStore();
  assert.equal(store.add(piece("a", 0, 6, "abc")), false);
  assert.equal(store.get("a"), null);
  assert.deepEqual(store.have(), { blobs: [["a", 3]], complete: "" });
  assert.equal(store.add(piece("a", 3, 6, "def")), true);
  assert.equal(Buffer.from(store.get("a").data).toString(), "abcdef");
});

test("pieces that come twice or overlap do no harm, a piece after a hole is not taken", () => {
  const store = new BlobStore();
  store.add(piece("a", 0, 6, "abc"));
  assert.equal(store.add(piece("a", 0, 6, "abc")), false);
  assert.equal(store.add(piece("a", 5, 6, "f")), false);
  assert.deepEqual(store.have(), { blobs: [["a", 3]], complete: "" });
  assert.equal(store.add(piece("a", 2, 6, "cdef")), true);
  assert.equal(Buffer.from(store.get("a").data).toString(), "abcdef");
});

test("past its bound the store drops what came first, never what is coming", () => {
  const store = new BlobStore({ max_bytes: 10 });
  store.add(piece("a", 0, 6, "aaaaaa"));
  store.add(piece("b", 0, 6, "b"));
  assert.deepEqual(store.have(), { blobs: [["b", 1]], complete: "" });
  assert.equal(store.bytes, 6);
});

test("what is here whole is told in eight characters, however much it is", () => {
  const store = new BlobStore();
  const digests = Array.from({ length: 5001 }, (_, at) => at.toString(16).padStart(4, "0").repeat(16));
  for (const digest of digests) store.add(piece(digest, 0, 1, "x"));
  store.add(piece("ff".repeat(32), 0, 2, "x"));
  const { blobs, complete } = store.have();
  assert.deepEqual(blobs, [[digests[5000], 1], ["ff".repeat(32), 1]]);
  const told = Buffer.from(complete, "base64url").toString("hex").match(/.{12}/g);
  assert.deepEqual(told, digests.slice(0, 5000).map((digest) => digest.slice(0, 12)));
  assert.match(complete, /^[\w-]{40000}$/);
});
