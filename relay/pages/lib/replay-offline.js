/**
 * What the browser keeps of a recording that comes from a relay (the keeping itself is done by ui/replay-worker.js).
 */

import { cacheName, keptOf } from "./replay-cache.js";

const WORKER_URL = "/library/worker.js";

/**
 * @implements {Offline}
 * @typedef {import("./replay-source.js").Offline} Offline
 */
export class KeptByBrowser {
  /**
   * @param {import("./replay-source.js").HttpSource} source
   * @param {() => Promise<void>} room resolves when the line may carry something else than what is heard now
   */
  constructor(source, room) {
    this._source = source;
    this._room = room;
    /** Settles when something can be kept; rejects where this browser or an insecure address allows none. */
    this.ready = this._start();
    this.ready.catch(() => {});
  }

  async _start() {
    if (!globalThis.isSecureContext || !navigator.serviceWorker) throw new Error("no service worker here");
    await this._room();
    await navigator.serviceWorker.register(WORKER_URL, { scope: "/library/" });
    if (!navigator.serviceWorker.controller) {
      await new Promise((resolve) => navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }));
    }
    // What came before the worker did; its second copy comes from the browser's own cache.
    const fetched = performance.getEntriesByType("resource").map(({ name }) => name);
    const isVoice = (/** @type {string} */ url) => url.includes("/voice/");
    // What the page cannot do without comes first.
    const urls = [location.href.split("#")[0], ...fetched.filter((url) => !isVoice(url)), ...fetched.filter(isVoice)];
    navigator.serviceWorker.controller?.postMessage({ urls, authorization: this._source.authorization });
  }

  async kept() {
    const cache = await caches.open(await cacheName(this._source.lecture, this._source.authorization));
    return keptOf((await cache.keys()).map(({ url }) => url), this._source.revision);
  }

  /** @type {Offline["keep"]} */
  async keep(replay, language, told, signal) {
    const { segments, images } = await this.kept();
    const count = Math.ceil(replay.duration_ms / replay.segment_ms);
    const here = { segments: new Set(segments[language]), images: new Set(images) };
    const voice = Array.from({ length: count }, (_, n) => n).filter((n) => !here.segments.has(n));
    const names = new Set(replay.pages.flatMap((page) => page.images).filter((name) => !here.images.has(name)));
    const paths = [
      ...voice.map((n) => this._source.voicePath(language, "light", n)),
      ...Array.from(names, (name) => this._source.imagePath(name)),
      ...replay.pages.flatMap(({ drawn }, page) => (drawn ? [this._source.drawingPath(page)] : [])),
      ...(replay.captions ?? []).map((one) => this._source.captionsPath(one)),
      this._source.waveformPath(language),
    ];
    const all = paths.length + here.segments.size;
    for (const [done, path] of paths.entries()) {
      told(all - paths.length + done, all);
      await this._room();
      signal.throwIfAborted();
      await this._source.fetchWhole(path, signal);
    }
    told(all, all);
  }
}
