import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { CopyWriter, newCopy } from "../../../../relay/pages/lib/own-copy.js";
import { RepairClient } from "../../../../relay/pages/lib/repair.js";
import { parseChunk } from "../../../../relay/pages/lib/segment.js";
import { MemoryStore, settle, voice } from "./memory-store.mjs";

const LECTURE_BEGAN_MS = 100_000;

/** Answers by docs/protocol.md, section 14; what it wants and what it got is in lecture time. */
class Relay {
  state = "live";
  segment_bytes = 100_000;
  /** @type {Map<number, number>} answers other than 200 to segments that begin there */
  refuses = new Map();
  segments = [];

  constructor(...wanted) {
    this.wanted = wanted;
    globalThis.fetch = async (url, { method, headers, body }) => {
      assert.equal(headers.Authorization, "Bearer secret");
      assert.ok(!url.includes("secret"));
      return method === "GET" ? this._answer() : this._take(new URL(url), Buffer.from(body));
    };
  }

  _answer(status = 200, error = null) {
    const wanted = this.wanted.map(([start_ms, end_ms]) => ({ kind: "voice", language: "en", start_ms, end_ms }));
    const facts = { wanted, language: "en", missing_ms: 0, repaired_ms: 0, segment_bytes: this.segment_bytes, state: this.state };
    return new Response(JSON.stringify(error ? { error } : facts), { status });
  }

  _take(url, body) {
    assert.equal(url.pathname.split("/").at(-1), createHash("sha256").update(body).digest("hex"));
    assert.ok(body.length <= this.segment_bytes);
    const { start_ms, end_ms } = JSON.parse(body.subarray(6, 6 + body.readUInt16BE(4)));
    const frames = [];
    for (let at = 6 + body.readUInt16BE(4); at < body.length; at += 4 + body.readUInt32BE(at)) {
      frames.push(...parseChunk(body.subarray(at + 4, at + 4 + body.readUInt32BE(at))));
    }
    this.segments.push({ start_ms, end_ms, times: frames.map(({ t_ms }) => t_ms) });
    const refused = this.refuses.get(start_ms);
    if (refused) return this._answer(refused, { id: "refused", text: "" });
    this.wanted = this.wanted.map(([from, to]) => (from === start_ms ? [end_ms, to] : [from, to])).filter(([from, to]) => from < to);
    return this._answer();
  }
}

async function clientOf(...spans) {
  const store = new MemoryStore();
  const writer = new CopyWriter(store, newCopy("waves", "lecturer", 0), assert.ifError);
  for (const one of spans.flatMap(([from_ms, to_ms]) => voice(from_ms, to_ms))) {
    writer.add(one);
    await settle();
  }
  writer.flush();
  writer.learn(LECTURE_BEGAN_MS, 0, 30);
  await settle();
  const options = { base: "http://relay/", lecture: "waves", role: "lecturer", token: "secret", store };
  return { client: new RepairClient({ ...options, rate: () => null, onRecording: () => {} }), store };
}

const times = (from_ms, to_ms) => voice(from_ms, to_ms).map(({ t_ms }) => t_ms);

test("what is wanted is sent whole, with what lies around it, and what is not kept is said to be none", async () => {
  const { client } = await clientOf([100_000, 120_000]);
  const relay = new Relay([5_000, 7_000], [30_000, 31_000]);
  await client.repairOnce();
  assert.deepEqual(relay.segments, [
    { start_ms: 5_000, end_ms: 7_000, times: times(3_500, 8_500) },
    { start_ms: 30_000, end_ms: 31_000, times: [] },
  ]);
  assert.equal(client.finished, false);
});

test("a span that is too long for one segment is sent in several that meet, each frame of it once", async () => {
  const { client } = await clientOf([100_000, 140_000]);
  const relay = new Relay([5_000, 30_000]);
  relay.segment_bytes = 12_288;
  await client.repairOnce();
  assert.ok(relay.segments.length > 3);
  const sent = relay.segments.flatMap(({ times }) => times).filter((t_ms) => t_ms >= 5_000 && t_ms < 30_000);
  assert.deepEqual(sent, times(5_000, 30_000));
  for (const [at, { start_ms }] of relay.segments.entries()) {
    assert.equal(start_ms, at === 0 ? 5_000 : relay.segments[at - 1].end_ms);
  }
  assert.deepEqual(relay.wanted, []);
});

test("a segment that is refused holds up no other, and is sent again once the lecture has ended", async () => {
  const { client, store } = await clientOf([100_000, 120_000]);
  const relay = new Relay([5_000, 6_000], [8_000, 9_000]);
  relay.refuses.set(5_000, 422);
  await client.repairOnce();
  await client.repairOnce();
  assert.deepEqual(relay.segments.map(({ start_ms }) => start_ms), [5_000, 8_000]);
  relay.refuses.clear();
  relay.state = "ended";
  await client.run();
  assert.deepEqual(relay.segments.map(({ start_ms }) => start_ms), [5_000, 8_000, 5_000]);
  assert.ok(client.finished);
  assert.notEqual((await store.copies())[0].whole_at_ms, null, "the copy may go some day");
});

test("a refusal for good ends it, and says why", async () => {
  const { client } = await clientOf([100_000, 120_000]);
  const relay = new Relay([5_000, 6_000]);
  relay.refuses.set(5_000, 403);
  await client.run();
  assert.equal(client.unavailable, "refused");
});

test("a hotel's login page in the relay's place is a line that is down for a while", async () => {
  const { client } = await clientOf([100_000, 120_000]);
  const relay = new Relay([5_000, 6_000]);
  relay.state = "ended";
  const asked = globalThis.fetch;
  const others = [new Response("<html>Log in</html>"), new Response("{}")];
  globalThis.fetch = async (...request) => others.shift() ?? asked(...request);
  await client.run();
  assert.deepEqual(relay.segments.map(({ start_ms }) => start_ms), [5_000]);
  assert.ok(client.finished);
});

test("who interprets into several languages, one after the other, repairs each voice from what was given as that", async () => {
  const { client, store } = await clientOf([100_000, 120_000]);
  const [first] = await store.copies();
  await store.keep({ ...first, language: "ja" });
  const relay = new Relay();
  const asked = [];
  globalThis.fetch = async (url) => {
    const { searchParams } = new URL(url);
    asked.push(`${searchParams.get("copy") ? "copy" : ""} ${searchParams.get("language")}`);
    return relay._answer();
  };
  client._options.spoken = () => "zh";
  await client.repairOnce();
  assert.deepEqual(asked, [" zh", "copy ja"]);
});
