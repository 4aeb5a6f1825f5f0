/**
 * The service worker of the replay: keeps what was fetched of recordings, and answers with it when the line is down.
 */

import { KEPT_BYTES, SHELL, cacheName, isLectureCache, kindOf, settledUrl, tooMuch } from "../lib/replay-cache.js";

/** A page that does not come in this time is taken from what is kept, if it is. */
const PATIENCE_MS = 8000;
const BOOK = new URL("/library/-/book", location.origin).href;
const worker = /** @type {any} */ (globalThis);

/** @typedef {Record<string, {used_at: number, bytes: number}>} Book by the cache's name */

worker.addEventListener("install", () => worker.skipWaiting());
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener("message", (/** @type {any} */ event) => event.waitUntil(fetchAgain(event.data)));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin || request.headers.has("range")) return;
  const { what, lecture } = kindOf(url);
  if (what === "foreign") return;
  event.respondWith(answer(event, request, what, lecture));
});

/**
 * @param {any} event
 * @param {Request} request
 * @param {import("../lib/replay-cache.js").What} what
 * @param {string} lecture
 */
async function answer(event, request, what, lecture) {
  const name = what === "page" || !lecture ? SHELL : await cacheName(lecture, request.headers.get("authorization") ?? "");
  const cache = await caches.open(name);
  // All recordings have the same page.
  const key = what === "page" ? new Request(new URL("/library/-", location.origin)) : request;
  const kept = () => cache.match(key, { ignoreSearch: what === "passing", ignoreVary: true });
  if (what === "versioned") {
    const found = await cache.match(key, { ignoreVary: true });
    if (found) return found;
  }
  try {
    const fresh = await inTime(fetch(request), kept, what);
    if (fresh.ok) event.waitUntil(store(cache, name, key, fresh.clone(), what));
    return fresh;
  } catch (error) {
    const found = await kept();
    if (found) return found;
    throw error;
  }
}

/**
 * What the line brings; for pages what is kept, if the line takes too long.
 * @param {Promise<Response>} fetched
 * @param {() => Promise<Response | undefined>} kept
 * @param {import("../lib/replay-cache.js").What} what
 */
async function inTime(fetched, kept, what) {
  if (what !== "page" && what !== "static" && what !== "manifest") return fetched;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  const first = await Promise.race([fetched, late]);
  return first instanceof Response ? first : ((await kept()) ?? fetched);
}

/**
 * @param {Cache} cache
 * @param {string} name
 * @param {Request} key
 * @param {Response} response
 * @param {import("../lib/replay-cache.js").What} what
 */
async function store(cache, name, key, response, what) {
  if (what === "passing") {
    const told = { etag: response.headers.get("etag"), language: response.headers.get("content-language") };
    const settled = settledUrl(key.url, told);
    if (!settled) return;
    key = new Request(settled);
  }
  const data = await response.arrayBuffer();
  const headers = new Headers(response.headers);
  headers.delete("Content-Encoding");
  headers.set("Content-Length", String(data.byteLength));
  if (name === SHELL) await cache.delete(key, { ignoreSearch: true, ignoreVary: true });
  await cache.put(key, new Response(data, { headers }));
  if (what === "manifest") await forgetOld(cache, JSON.parse(new TextDecoder().decode(data)).revision);
  if (isLectureCache(name)) await note(name, data.byteLength);
}

/**
 * What belongs to an older state of the recording is of no use any more.
 * @param {Cache} cache
 * @param {string} revision
 */
async function forgetOld(cache, revision) {
  for (const key of await cache.keys()) {
    const version = new URL(key.url).searchParams.get("v");
    if (version !== null && version !== revision) await cache.delete(key);
  }
}

let writing = Promise.resolve();

/**
 * @param {string} name
 * @param {number} bytes
 */
function note(name, bytes) {
  writing = writing.then(async () => {
    const shell = await caches.open(SHELL);
    /** @type {Book} */
    const book = await (await shell.match(BOOK))?.json().catch(() => ({})) ?? {};
    book[name] = { used_at: Date.now(), bytes: (book[name]?.bytes ?? 0) + bytes };
    const list = Object.entries(book).map(([one, facts]) => ({ name: one, ...facts }));
    for (const gone of tooMuch(list, name, KEPT_BYTES)) {
      await caches.delete(gone);
      delete book[gone];
    }
    await shell.put(BOOK, new Response(JSON.stringify(book)));
  }).catch(() => {});
  return writing;
}

/**
 * What a page fetched before there was a worker; whole, where it began within a piece of the voice.
 * @param {{urls: string[], authorization: string}} fetched
 */
async function fetchAgain({ urls, authorization }) {
  for (const told of urls) {
    const url = told.replace(/\?from=\d+$/, "");
    const { what, lecture } = kindOf(new URL(url));
    if (what === "foreign") continue;
    const name = what === "page" || !lecture ? SHELL : await cacheName(lecture, authorization);
    const cache = await caches.open(name);
    const key = new Request(what === "page" ? new URL("/library/-", location.origin) : url);
    if (await cache.match(key, { ignoreVary: true })) continue;
    const response = await fetch(url, { headers: authorization && lecture ? { Authorization: authorization } : {} }).catch(() => null);
    if (response?.ok) await store(cache, name, key, response, what);
  }
}
