import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { CopyTime } from "../../../../relay/pages/lib/copy-time.js";
import { crc32c } from "../../../../relay/pages/lib/crc32c.js";
import { CopyWriter, newCopy, placeCopies, readSegment, removeOld } from "../../../../relay/pages/lib/own-copy.js";
import { packChunk, packSegment, parseChunk } from "../../../../relay/pages/lib/segment.js";
import { SpareRate } from "../../../../relay/pages/lib/spare-rate.js";
import { PacketTimes, SoundClock } from "../../../../relay/pages/lib/voice-recorder.js";
import { MemoryStore, frame, settle, voice } from "./memory-store.mjs";

/** A segment and a chunk packed by lecture.segment and lecture.wire. */
const vectors = JSON.parse(readFileSync(process.env.HALLCAST_FRAME_VECTORS, "utf8"));

async function kept(...spans) {
  const store = new MemoryStore();
  const troubles = [];
  const writer = new CopyWriter(store, newCopy("waves", "lecturer", 0), (error) => troubles.push(error));
  for (const one of spans.flatMap(([from_ms, to_ms]) => voice(from_ms, to_ms))) {
    writer.add(one);
    await settle();
  }
  writer.flush();
  await settle();
  return { store, writer, troubles };
}

test("the checksum is Castagnoli's, also in pieces", () => {
  const bytes = new TextEncoder().encode("123456789");
  assert.equal(crc32c(bytes), 0xe3069283);
  assert.equal(crc32c(bytes.subarray(4), crc32c(bytes.subarray(0, 4))), 0xe3069283);
});

test("segments are packed byte for byte as the relay packs them", () => {
  const { copy, language, start_ms, end_ms, times_ms, hex } = vectors.segment;
  const frames = times_ms.map((t_ms) => ({ t_ms, duration_ms: 20, data: new Uint8Array(40).fill(t_ms % 251) }));
  const body = packSegment({ copy, language, start_ms, end_ms, frames });
  assert.equal(Buffer.from(body).toString("hex"), hex);
});

test("a damaged chunk gives nothing, a whole one what went in", () => {
  const frames = voice(1_000_000, 1_000_480);
  const chunk = packChunk(frames);
  assert.deepEqual(parseChunk(chunk), frames);
  for (const at of [3, 14, 30, chunk.length - 1]) {
    const damaged = chunk.slice();
    damaged[at] ^= 1;
    assert.deepEqual(parseChunk(damaged), [], `byte ${at}`);
  }
  assert.deepEqual(parseChunk(chunk.subarray(0, 200)), []);
});

test("what was spoken is found by lecture time, in parts that fit, and nothing where nothing was", async () => {
  const { store, writer } = await kept([100_000, 110_000], [112_000, 130_000]);
  writer.learn(101_000, 1_000, 30);
  await settle();
  const [facts] = await store.copies("waves");
  const read = (start_ms, end_ms, max_bytes = 64_000, goes_on = false) =>
    readSegment(store, facts, { start_ms, end_ms }, { language: "en", max_bytes, goes_on });

  const whole = await read(5_000, 6_000);
  assert.deepEqual([whole.start_ms, whole.end_ms], [5_000, 6_000]);
  const around = voice(3_500, 7_500).map(({ t_ms }) => t_ms);
  assert.deepEqual(whole.frames.map(({ t_ms }) => t_ms), around, "the span, and what the relay knows it by");
  assert.deepEqual(whole.frames[0].data, frame(103_500).data);
  assert.deepEqual((await read(10_000, 12_000)).frames, [], "nobody spoke then");

  const times = [];
  for (let from_ms = 9_000; from_ms < 13_000; ) {
    const part = await read(from_ms, 13_000, 5_000, from_ms > 9_000);
    assert.ok(packSegment(part).length <= 5_000);
    times.push(...part.frames.map(({ t_ms }) => t_ms).filter((t_ms) => t_ms >= from_ms && t_ms < part.end_ms));
    from_ms = part.end_ms;
  }
  const spoken = [...voice(9_000, 10_000), ...voice(12_000, 13_000)].map(({ t_ms }) => t_ms);
  assert.deepEqual(times, spoken, "each word once, none left out");
});

test("a long span is answered as far as it was read", async () => {
  const { store, writer } = await kept([0, 200_000]);
  writer.learn(1_000, 1_000, 30);
  const segment = await readSegment(store, writer.facts, { start_ms: 0, end_ms: 200_000 }, { language: "en", max_bytes: 1e9 });
  assert.ok(segment.end_ms < 120_000 && segment.end_ms > 90_000);
  assert.equal(segment.frames.filter(({ t_ms }) => t_ms < segment.end_ms).length, segment.end_ms / 20);
});

test("nobody knows where words belong until the relay has told a time; a later page can tell", async () => {
  const { store, writer } = await kept([100_000, 101_000]);
  const ask = async () => readSegment(store, (await store.copies("waves"))[0], { start_ms: 0, end_ms: 900 }, { language: "en", max_bytes: 9e4 });
  assert.equal(await ask(), null);
  const point = { t_ms: 300_000, offset_ms: -100_000, rtt_ms: 50 };
  await placeCopies(store, "waves", point, writer.facts.copy);
  assert.equal(await ask(), null, "the one that is being written learns by itself");
  await placeCopies(store, "waves", point);
  assert.equal((await ask()).frames[0].t_ms, 0);
});

test("a full disk is told, and that there is room again", async () => {
  const { store, writer, troubles } = await kept([0, 480]);
  store.full = true;
  for (const one of voice(480, 1440)) writer.add(one);
  await settle();
  assert.equal(troubles.at(-1).message, "full");
  store.full = false;
  for (const one of voice(1440, 2400)) writer.add(one);
  await settle();
  assert.equal(troubles.at(-1), null);
});

test("a disk that is too slow is told, too, and holds up only so much", async () => {
  const { store, writer, troubles } = await kept([0, 480]);
  const write = store.write.bind(store);
  let goOn;
  const slow = new Promise((resolve) => (goOn = resolve));
  store.write = async (chunk) => {
    await slow;
    await write(chunk);
  };
  for (const one of voice(480, 480 * 23)) writer.add(one);
  await settle();
  assert.equal(troubles.at(-1).message, "the disk is too slow");
  goOn();
  await settle();
  await settle();
  assert.equal(troubles.at(-1), null);
  assert.equal(store.chunks.length, 21);
});

test("copies go when their recordings have been whole for some days, others stay", async () => {
  const day_ms = 24 * 3600 * 1000;
  const store = new MemoryStore();
  for (const [copy, began_days, whole_days] of [["whole", 9, 8], ["fresh", 9, 1], ["needed", 9, null], ["forgotten", 200, null]]) {
    const facts = { ...newCopy("waves", "lecturer", (300 - began_days) * day_ms), copy };
    await store.keep({ ...facts, whole_at_ms: whole_days === null ? null : (300 - whole_days) * day_ms });
  }
  await removeOld(store, 300 * day_ms);
  assert.deepEqual((await store.copies()).map(({ copy }) => copy), ["fresh", "needed"]);
});

test("lecture time goes over evenly where clocks drift, and jumps where the relay's clock began anew", () => {
  const time = new CopyTime();
  assert.equal(time.lectureTime(5_000), null);
  time.learn(10_000, 1_000, 40);
  time.learn(70_000, 61_060, 40);
  assert.equal(time.lectureTime(40_000), 31_030);
  assert.equal(time.lectureTime(500), null, "before the lecture");
  assert.equal(time.learn(80_000, 71_400, 400), false, "news that was late");
  time.learn(100_000, 5_000, 40);
  assert.equal(time.lectureTime(99_980), 91_040);
  assert.equal(time.lectureTime(100_020), 5_020);
  assert.deepEqual(time.ownSpans({ start_ms: 4_000, end_ms: 6_000 }), [
    { start_ms: 12_940, end_ms: 15_000, lecture_ms: 3_940 },
    { start_ms: 100_000, end_ms: 101_000, lecture_ms: 5_000 },
  ]);
});

test("pings that an outage held back say nothing of the clock, a relay that began anew does", () => {
  const time = new CopyTime();
  time.learn(3_000, 3_000, 10);
  for (const sent_ms of [8_000, 13_000, 18_000]) assert.equal(time.learn(sent_ms, 20_700, 20_710 - sent_ms), false);
  time.learn(23_000, 22_995, 10);
  assert.equal(time.lectureTime(10_000), 10_000);
  assert.equal(time.learn(33_000, 70_000, 9_000), true);
  assert.equal(time.lectureTime(34_000), 71_000);
});

test("a better ping takes the place of worse ones shortly before", () => {
  const time = new CopyTime();
  time.learn(1_000, 300, 600);
  time.learn(6_000, 5_000, 40);
  assert.deepEqual(time.points.map(({ offset_ms }) => offset_ms), [-1_000]);
});

test("repair gets faster while voice is well, waits and slows down when it is not", () => {
  const rate = new SpareRate();
  for (let at = 0; at < 5; at += 1) rate.observe(at * 2000, { rtt_ms: 200, fraction_lost: 0.02 });
  const fast_kbps = rate.kbps;
  assert.ok(fast_kbps > 100 && rate.mayBegin(10_000));
  rate.observe(10_000, { rtt_ms: 400, fraction_lost: 0.02 });
  assert.equal(rate.kbps, fast_kbps / 2);
  assert.deepEqual([rate.mayBegin(12_900), rate.mayBegin(13_000)], [false, true]);
  rate.observe(14_000, { rtt_ms: 200, fraction_lost: 0.2 });
  assert.equal(rate.mayBegin(14_100), false);
  rate.observe(20_000, null);
  assert.equal(rate.mayBegin(20_100), false);
});

test("the time of sound counts sound: jitter moves nothing, drift little by little, a hole at once", () => {
  const clock = new SoundClock();
  let stream_ms = 0;
  const take = (now_ms) => clock.take((stream_ms += 10) - 10, 10, now_ms);
  assert.deepEqual(take(1_000_010), { t_ms: 1_000_000, pause: true });
  assert.deepEqual(take(1_000_090), { t_ms: 1_000_010, pause: false });
  assert.deepEqual(take(1_000_091), { t_ms: 1_000_020, pause: false });
  stream_ms += 100;
  assert.deepEqual(take(1_000_140), { t_ms: 1_000_130, pause: false }, "a hole, but no pause for the encoder");
  stream_ms += 1890;
  assert.deepEqual(take(1_002_040), { t_ms: 1_002_030, pause: true });
  let last;
  for (let at = 1; at <= 6000; at += 1) last = take(1_002_040 + at * 10.005);
  assert.ok(Math.abs(last.t_ms - (1_002_030 + 60_030)) < 20, `${last.t_ms}`);
});

test("what a busy machine's microphone leaves out, a little each time, is stepped over, and told", () => {
  const clock = new SoundClock();
  let stream_ms = 0;
  let last;
  for (let at = 0; at < 3000; at += 1) {
    if (at % 50 === 49) stream_ms += 30;
    last = clock.take(stream_ms, 10, 1_000_010 + stream_ms + (at % 7));
    stream_ms += 10;
  }
  assert.ok(Math.abs(last.t_ms - (1_000_000 + stream_ms - 10)) <= 40, `${last.t_ms - 1_000_000} of ${stream_ms}`);
  assert.ok(clock.left_out_ms >= 1700 && clock.left_out_ms <= 1800, `${clock.left_out_ms}`);
});

test("a microphone whose clock drifts, and whose times jitter, leaves nothing out", () => {
  const clock = new SoundClock();
  for (let at = 0; at < 60_000; at += 1) clock.take(at * 10.002 + (at % 11) * 4, 10, 1_000_010 + at * 10.002);
  assert.equal(clock.left_out_ms, 0);
});

test("sound whose first piece was read late finds its time soon", () => {
  const clock = new SoundClock();
  let last;
  for (let at = 0; at < 2000; at += 1) last = clock.take(at * 10, 10, 1_000_000 + Math.max(300, at * 10 + 10));
  assert.ok(Math.abs(last.t_ms - (1_000_000 + 19_990)) <= 10, `${last.t_ms}`);
});

test("packets of an encoder that is behind have the times of the sound that is in them", () => {
  const times = new PacketTimes();
  for (let us = 0; us < 100_000; us += 10_000) times.put(us, 5_000 + us / 1000);
  for (let us = 100_000; us < 200_000; us += 10_000) times.put(us, 5_080 + us / 1000);
  assert.deepEqual([0, 40_000, 80_000, 100_000, 120_000, 180_000].map((us) => times.at(us)), [5_000, 5_040, 5_080, 5_180, 5_200, 5_260]);
});

test("the last of a span goes with enough of what lies behind it, also where segments are small", async () => {
  const { store, writer } = await kept([0, 20_000]);
  writer.learn(1_000, 1_000, 30);
  for (let end_ms = 5_060; end_ms < 9_000; end_ms += 60) {
    let segment;
    for (let from_ms = 5_000; from_ms < end_ms; from_ms = segment.end_ms) {
      segment = await readSegment(store, writer.facts, { start_ms: from_ms, end_ms }, { language: "en", max_bytes: 7_000, goes_on: from_ms > 5_000 });
      assert.ok(packSegment(segment).length <= 7_000);
    }
    const behind = segment.frames.filter(({ t_ms }) => t_ms >= end_ms);
    assert.ok(behind.length >= 30, `${behind.length} behind ${end_ms}`);
  }
});
