/**
 * Uploads a recording in pieces and goes on after a broken line: docs/library.md, "Importing". No DOM.
 */

import { Backoff } from "./backoff.js";
import { RequestError, parseErrorBody } from "./protocol.js";
import { Sha256 } from "./sha256.js";

const URL = "/api/library/imports";
const PIECE_BYTES = 500_000;
const POLL_MS = 1000;

/**
 * @typedef {{lecture: string, title: string, result: "new" | "merged" | "unchanged", problems: string[]}} ImportedLecture
 * @typedef {{upload: string, received_bytes: number, size_bytes: number, progress: number, lectures: ImportedLecture[],
 *   state: "receiving" | "waiting" | "importing" | "done" | "failed", error: {id: string, text: string} | null}} Import
 */

/**
 * Send a file until it is imported. What was sent of it earlier, here or elsewhere, is not sent again.
 * @param {Blob & {name: string}} file
 * @param {() => Record<string, string>} headers with the staff token
 * @param {boolean} damaged whether the sound parts of a damaged recording are wanted
 * @param {(step: "reading" | "sending" | "waiting" | "importing" | "broken", share: number, why?: Import["error"]) => void}
 *   onStep why: what an import waits for that cannot be done yet
 * @param {AbortSignal} signal
 * @returns {Promise<Import>} done or failed
 * @throws {RequestError} refused by the relay
 */
export async function uploadImport(file, headers, damaged, onStep, signal) {
  const sha256 = await digest(file, (share) => onStep("reading", share), signal);
  const body = JSON.stringify({ name: file.name, size_bytes: file.size, sha256, damaged });
  const backoff = new Backoff();
  /** @type {Import | null} */
  let known = null;
  let broken = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      if (broken && known) known = await ask("GET", `${URL}/${known.upload}`, {}, null);
      known ??= await ask("POST", URL, { "Content-Type": "application/json" }, body);
      broken = false;
      if (known.state === "done" || known.state === "failed") return known;
      if (known.state === "receiving") {
        const at = known.received_bytes;
        onStep("sending", at / file.size);
        const piece = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": String(at) };
        known = await ask("PATCH", `${URL}/${known.upload}`, piece, file.slice(at, at + PIECE_BYTES));
      } else {
        onStep(known.state, known.progress, known.error);
        await pause(POLL_MS, signal);
        known = await ask("GET", `${URL}/${known.upload}`, {}, null);
      }
      backoff.reset();
    } catch (error) {
      signal.throwIfAborted();
      const status = error instanceof RequestError ? error.status : 0;
      // Gone with a relay that was set up anew: announced again, it begins anew.
      const gone = status === 404 && known !== null;
      if (!(error instanceof TypeError || gone || [408, 409, 503].includes(status))) throw error;
      onStep("broken", (known?.received_bytes ?? 0) / file.size);
      await pause(backoff.next_ms(), signal);
      broken = true;
      if (gone) known = null;
    }
  }

  /**
   * @param {string} method
   * @param {string} url
   * @param {Record<string, string>} more
   * @param {Blob | string | null} content
   * @returns {Promise<Import>}
   */
  async function ask(method, url, more, content) {
    const response = await fetch(url, { method, headers: { ...headers(), ...more }, body: content, signal });
    if (!response.ok) throw new RequestError(response.status, parseErrorBody(await response.text(), response.status));
    return response.json();
  }
}

/**
 * @param {Blob} file
 * @param {(share: number) => void} onShare
 * @param {AbortSignal} signal
 */
async function digest(file, onShare, signal) {
  const hash = new Sha256();
  for (let at = 0; at < file.size; at += PIECE_BYTES) {
    signal.throwIfAborted();
    onShare(at / file.size);
    hash.update(new Uint8Array(await file.slice(at, at + PIECE_BYTES).arrayBuffer()));
  }
  return hash.hex();
}

/**
 * @param {number} ms
 * @param {AbortSignal} signal
 */
function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve(null)), { once: true });
  });
}
