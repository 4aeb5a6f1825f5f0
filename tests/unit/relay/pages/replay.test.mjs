import assert from "node:assert/strict";
import { test } from "node:test";

import { captionAt, captionLanguage, chapterFrom, chaptersOf, indexAt, pagesAt, speedFrom } from "../../../../relay/pages/lib/replay.js";
import { cacheName, keptOf, kindOf, settledUrl, tooMuch } from "../../../../relay/pages/lib/replay-cache.js";
import { fragmentOf, momentOf, startAt } from "../../../../relay/pages/lib/replay-moment.js";
import { ReplayInk } from "../../../../relay/pages/lib/replay-ink.js";
import { AHEAD_MS, RateMeter, bufferedUntil, nextSegment, rungFor } from "../../../../relay/pages/lib/replay-plan.js";
import { ScreenFollower } from "../../../../relay/pages/lib/replay-screen.js";

const pages = [1, 2, 3].map((page) => ({ deck: "d", page, title: `Page ${page}`, images: [] }));
const turns = [[1000, 0], [5000, 1], [5200, 1], [9000, 0], [9500, 2]];

test("the page of a moment, and the one to fetch in advance", () => {
  assert.deepEqual([0, 1000, 4999, 5000, 5300, 9100, 99_000].map((t_ms) => pagesAt(turns, t_ms)), [
    { now: 0, next: 1 }, { now: 0, next: 1 }, { now: 0, next: 1 }, { now: 1, next: 0 }, { now: 1, next: 0 }, { now: 0, next: 2 },
    { now: 2, next: null },
  ]);
  assert.deepEqual(pagesAt([[60_000, 1]], 0), { now: null, next: 1 });
  assert.deepEqual(pagesAt([], 0), { now: null, next: null });
});

test("chapters begin where another page is shown; going back first begins the present one anew", () => {
  const chapters = chaptersOf({ pages, turns });
  assert.deepEqual(chapters.map(({ t_ms, title }) => [t_ms, title]), [[1000, "Page 1"], [5000, "Page 2"], [9000, "Page 1"], [9500, "Page 3"]]);
  assert.equal(chapterFrom(chapters, 6000, 1), 9000);
  assert.equal(chapterFrom(chapters, 6000, -1), 1000);
  assert.equal(chapterFrom(chapters, 8500, -1), 5000);
  assert.equal(chapterFrom(chapters, 0, -1), 1000);
  assert.equal(chapterFrom(chapters, 50_000, 1), null);
  assert.equal(chapterFrom([], 0, 1), null);
});

test("times are found from either end", () => {
  const items = [10, 20, 30];
  assert.deepEqual([5, 10, 29, 30, 99].map((t) => indexAt(items, t, (item) => item)), [-1, 0, 1, 2, 2]);
});

test("a link names a moment in seconds or as a clock shows it, and nothing else is one", () => {
  const cases = { "#t=754": 754_000, "#t=1.5": 1500, "#t=12:34": 754_000, "#t=1:02:03": 3_723_000, "#x=1&t=9": 9000, "#t=0": 0 };
  for (const [fragment, t_ms] of Object.entries(cases)) assert.equal(momentOf(fragment), t_ms, fragment);
  for (const fragment of ["", "#t=", "#t=-3", "#t=abc", "#t=1e9", "#t=1:2:3:4", "#token=5"]) assert.equal(momentOf(fragment), null, fragment);
  assert.equal(momentOf(fragmentOf(754_999)), 754_000);
});

test("a lecture goes on where it was stopped, a link comes first, and what was heard out begins anew", () => {
  assert.equal(startAt("", null), 0);
  assert.equal(startAt("", { t_ms: 60_000, duration_ms: 100_000 }), 60_000);
  assert.equal(startAt("#t=3", { t_ms: 60_000, duration_ms: 100_000 }), 3000);
  assert.equal(startAt("", { t_ms: 98_000, duration_ms: 100_000 }), 0);
});

test("speeds end where they end", () => {
  assert.deepEqual([speedFrom(1, 1), speedFrom(1, -1), speedFrom(0.75, -1), speedFrom(2, 1)], [1.25, 0.75, 0.75, 2]);
});

const plan = (position_ms, buffered, duration_ms = 600_000) => nextSegment({ position_ms, buffered, duration_ms, segment_ms: 6000 });

test("the voice is fetched from where it is heard on, one piece after the other, so far ahead and no further", () => {
  assert.equal(plan(0, []), 0);
  assert.equal(plan(13_000, []), 2);
  assert.equal(plan(13_000, [[12_000, 18_000]]), 3);
  assert.equal(plan(13_000, [[12_000, 17_980]]), 3);
  assert.equal(plan(13_000, [[12_000, 15_000]]), 2);
  assert.equal(plan(13_000, [[0, 6000], [60_000, 66_000]]), 2);
  assert.equal(plan(5000, [[0, 6000], [6020, 12_000]]), 2);
  assert.equal(plan(0, [[0, AHEAD_MS]]), null);
  assert.equal(plan(590_000, [[588_000, 599_950]]), null);
  assert.equal(plan(600_000, [[540_000, 599_940]]), null);
  assert.equal(bufferedUntil([[0, 6000], [6030, 9000]], 1000), 9000);
});

test("the full voice comes when there is time and a line for it", () => {
  assert.equal(rungFor(0, 5000), "light");
  assert.equal(rungFor(20_000, 0), "light");
  assert.equal(rungFor(20_000, 60), "light");
  assert.equal(rungFor(20_000, 500), "full");
  const rate = new RateMeter();
  rate.add(8000, 1000);
  assert.equal(rate.kbps, 64);
  rate.add(4000, 1000);
  assert.equal(rate.kbps, 48);
});

test("ink lies on its page from its moment on, and the pointer goes when it is taken away or forgotten", () => {
  const mark = (t_ms, order, fields) => ({ t_ms, order, fields });
  const ink = new ReplayInk({
    ink: [
      mark(100, 1, { number: 1, stroke: "a", colour: "#000000", width: 0.01, points: [[0, 0]] }),
      mark(200, 2, { number: 2, stroke: "a", colour: "#000000", width: 0.01, points: [[1, 1]] }),
      mark(500, 3, { number: 3, stroke: "a", erase: true }),
    ],
    pointer: [mark(100, 7, { x: 0.5, y: 0.5, shown: true }), mark(300, 8, { x: 0.6, y: 0.5, shown: true }), mark(400, 9, { x: 0, y: 0, shown: false })],
  });
  assert.deepEqual([0, 150, 250, 600].map((t_ms) => ink.at(t_ms).strokes.map(({ points }) => points.length)), [[], [1], [2], []]);
  assert.deepEqual([0, 150, 350, 450].map((t_ms) => ink.at(t_ms).pointer), [null, [0.5, 0.5], [0.6, 0.5], null]);
  const left = new ReplayInk({ ink: [], pointer: [mark(100, 7, { x: 0.5, y: 0.5, shown: true })] });
  assert.deepEqual([5000, 60_000].map((t_ms) => left.at(t_ms).pointer), [[0.5, 0.5], null]);
});

/** An update without tiles: version, flags, share, number, since, width, height. */
function update(t_ms, number, since, stop = false) {
  const data = new Uint8Array(12 + 18);
  const view = new DataView(data.buffer);
  view.setBigUint64(0, BigInt(t_ms));
  view.setUint32(8, 18);
  data.set([1, stop ? 1 : 0], 12);
  [7, number, since].forEach((value, at) => view.setUint32(14 + 4 * at, value));
  [32, 32].forEach((value, at) => view.setUint16(26 + 2 * at, value));
  return data;
}

test("the shared screen goes on with what follows, and after a jump begins with the whole", async () => {
  const asked = [];
  const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => Array.from(part)));
  const parts = {
    "0 whole": joined(update(1000, 1, 0), update(30_000, 2, 1)),
    "1": update(61_000, 3, 2),
    "3 whole": joined(update(180_000, 8, 0), update(181_000, 9, 8)),
  };
  const source = { screen: async (n, whole) => (asked.push(whole ? `${n} whole` : `${n}`), parts[asked.at(-1)]) };
  const follower = new ScreenFollower([[1000, 300_000]], source, async () => new Uint8ClampedArray(0));
  assert.deepEqual([500, 1000, 299_999, 300_000].map((t_ms) => follower.isShared(t_ms)), [false, true, true, false]);
  assert.ok(await follower.goTo(2000));
  assert.equal(follower.picture.position.number, 1);
  assert.equal(await follower.goTo(2500), null);
  await follower.goTo(62_000);
  assert.equal(follower.picture.position.number, 3);
  await follower.goTo(180_500);
  assert.equal(follower.picture.position.number, 8);
  await follower.goTo(182_000);
  assert.equal(follower.picture.position.number, 9);
  assert.deepEqual(asked, ["0 whole", "1", "3 whole"]);
});

const at = (path) => kindOf(new URL(path, "https://relay.example"));

test("the worker knows what it keeps, for how long, and what is none of its business", () => {
  assert.deepEqual(at("/library/l1"), { what: "page", lecture: "l1" });
  assert.deepEqual(at("/library/l1/replay.json"), { what: "manifest", lecture: "l1" });
  assert.deepEqual(at("/library/l1/voice/en/light/3.webm?v=5"), { what: "versioned", lecture: "l1" });
  assert.deepEqual(at("/library/l1/voice/-/light/3.webm"), { what: "passing", lecture: "l1" });
  assert.deepEqual(at("/library/l1/blob/0123456789abcdef"), { what: "versioned", lecture: "l1" });
  assert.equal(at("/pages/replay.js?v=5").what, "versioned");
  assert.equal(at("/pages/css/hallcast.css").what, "static");
  for (const path of ["/library", "/library/worker.js", "/api/live", "/library/l1/camera.webm?v=5", "/library/l1/voice/en.ogg"]) {
    assert.notEqual(at(path).what, "versioned", path);
  }
});

test("a piece of the voice that was asked for in a hurry is kept under its lasting address", () => {
  const told = { etag: '"6000-1f"', language: "en" };
  const base = "https://relay.example/library/l1";
  assert.equal(settledUrl(`${base}/voice/-/light/3.webm`, told), `${base}/voice/en/light/3.webm?v=6000-1f`);
  assert.equal(settledUrl(`${base}/voice/-/light/3.webm`, { ...told, etag: null }), null);
  assert.equal(settledUrl(`${base}/voice/-/light/3.webm?from=19000`, told), null);
  for (const path of ["voice/en.ogg", "waveform/en", "drawing/0.json"]) assert.equal(settledUrl(`${base}/${path}`, told), null);
});

test("another token finds nothing of what was kept", async () => {
  const names = await Promise.all(["", "Bearer one", "Bearer two"].map((words) => cacheName("l1", words)));
  assert.equal(new Set(names).size, 3);
  assert.ok(!names.join().includes("one"));
});

test("what is kept is told by language, of the present revision alone", () => {
  const urls = ["voice/en/light/2.webm?v=b", "voice/en/full/1.webm?v=b", "voice/ko/light/7.webm?v=b", "voice/en/light/9.webm?v=a", "blob/0123"];
  assert.deepEqual(keptOf(urls.map((path) => `https://relay.example/library/l1/${path}`), "b"), { segments: { en: [1, 2], ko: [7] }, images: ["0123"] });
});

test("when there is too much the recording goes that was not used for the longest, never the one that is heard", () => {
  const caches = [{ name: "old", used_at: 1, bytes: 60 }, { name: "new", used_at: 3, bytes: 60 }, { name: "mid", used_at: 2, bytes: 60 }];
  assert.deepEqual(tooMuch(caches, "new", 200), []);
  assert.deepEqual(tooMuch(caches, "new", 130), ["old"]);
  assert.deepEqual(tooMuch(caches, "old", 50), ["mid", "new"]);
});

test("captions follow the voice's language and its moment", () => {
  assert.equal(captionLanguage(["en", "ko"], "ko"), "ko");
  assert.equal(captionLanguage(["en-GB", "ko"], "en"), "en-GB");
  assert.equal(captionLanguage(["en", "ko"], "de"), "en");
  assert.equal(captionLanguage([], "en"), null);
  const captions = [[0, 1000, "one"], [500, 1500, "two"], [2000, 3000, "three"]];
  assert.deepEqual([0, 700, 1000, 1500, 2999].map((t_ms) => captionAt(captions, t_ms)), ["one", "one\ntwo", "two", "", "three"]);
});
