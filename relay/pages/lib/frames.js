/**
 * Binary frames of the hall socket (docs/protocol.md, "Binary frames"), and putting blobs together from them.
 */

import { hex } from "./hex.js";

const FRAME_VERSION = 1;
const BLOB_FRAME = 2;
const BLOB_HEADER_BYTES = 43;
const SCREEN_PART_FRAME = 6;
const SCREEN_PART_HEADER_BYTES = 12;
const ENTRY_FRAME = 7;
const ENTRY_HEADER_BYTES = 19;

/** Kinds of binary frames that a hall page takes beside pages: the shared screen, and ink that has no haste. */
export const FRAMES_TAKEN = [SCREEN_PART_FRAME, ENTRY_FRAME];
const MEDIA_TYPES = ["", "image/avif", "image/png", "image/webp", "image/jpeg"];

/** A blob that says it is larger is not taken: no page of a lecture is. */
const MAX_BLOB_BYTES = 16 * 1024 * 1024;
/** The same of an update of the shared screen, with its time. */
const MAX_SCREEN_BYTES = 120_008;
/** What `hello.have.complete` says of a digest, and of how many at most. */
const SHORT_DIGEST_BYTES = 6;
const MAX_COMPLETE = 5000;

/**
 * @typedef {{digest: string, mediaType: string, offset: number, total: number, payload: Uint8Array}} BlobFrame
 * @typedef {{number: number, offset: number, total: number, payload: Uint8Array}} ScreenPart
 */

/**
 * @param {ArrayBuffer} data one binary message
 * @returns {BlobFrame | null} null for what this page does not take: other kinds and versions, malformed frames
 */
export function parseBlobFrame(data) {
  const view = new DataView(data);
  if (data.byteLength < BLOB_HEADER_BYTES) return null;
  if (view.getUint8(0) !== FRAME_VERSION || view.getUint8(1) !== BLOB_FRAME) return null;
  const mediaType = MEDIA_TYPES[view.getUint8(34)];
  const offset = view.getUint32(35);
  const total = view.getUint32(39);
  const payload = new Uint8Array(data, BLOB_HEADER_BYTES);
  if (!mediaType || total > MAX_BLOB_BYTES || offset + payload.length > total) return null;
  return { digest: hex(new Uint8Array(data, 2, 32)), mediaType, offset, total, payload };
}

/**
 * @param {ArrayBuffer} data one binary message
 * @returns {import("./deck.js").EntryMessage | null} the entry in it; null for other kinds and malformed frames
 */
export function parseEntryFrame(data) {
  const view = new DataView(data);
  if (data.byteLength < ENTRY_HEADER_BYTES) return null;
  if (view.getUint8(0) !== FRAME_VERSION || view.getUint8(1) !== ENTRY_FRAME) return null;
  const [seq, t_ms] = [Number(view.getBigUint64(3)), Number(view.getBigUint64(11))];
  try {
    const fields = JSON.parse(new TextDecoder().decode(new Uint8Array(data, ENTRY_HEADER_BYTES)));
    return fields && typeof fields === "object" ? { seq, t_ms, entry_kind: view.getUint8(2), fields } : null;
  } catch {
    return null;
  }
}

/**
 * @param {ArrayBuffer} data one binary message
 * @returns {ScreenPart | null} null for other kinds and malformed frames
 */
export function parseScreenPart(data) {
  const view = new DataView(data);
  if (data.byteLength < SCREEN_PART_HEADER_BYTES) return null;
  if (view.getUint8(0) !== FRAME_VERSION || view.getUint8(1) !== SCREEN_PART_FRAME) return null;
  const [number, offset, total] = [view.getUint16(2), view.getUint32(4), view.getUint32(8)];
  const payload = new Uint8Array(data, SCREEN_PART_HEADER_BYTES);
  if (total > MAX_SCREEN_BYTES || offset + payload.length > total) return null;
  return { number, offset, total, payload };
}

/**
 * The blobs a hall has or is getting. Pieces of a blob come in order of offset; a piece that does not
 * continue what is there is dropped, and asked for again by offset at the next connection.
 */
export class BlobStore {
  /**
   * @param {{max_bytes?: number}} [options] past `max_bytes` the blobs that came first are dropped (a hall
   *   that needs one again gets it with the next connection)
   */
  constructor({ max_bytes = 128 * 1024 * 1024 } = {}) {
    this.max_bytes = max_bytes;
    this.bytes = 0;
    /** @type {Map<string, {mediaType: string, data: Uint8Array, have: number}>} */
    this._blobs = new Map();
  }

  /**
   * @param {BlobFrame} frame
   * @returns {boolean} whether this piece completed the blob
   */
  add({ digest, mediaType, offset, total, payload }) {
    let blob = this._blobs.get(digest);
    if (!blob) {
      blob = { mediaType, data: new Uint8Array(total), have: 0 };
      this._blobs.set(digest, blob);
      this.bytes += total;
      this._evict(digest);
    }
    if (total !== blob.data.length || offset > blob.have || offset + payload.length <= blob.have) return false;
    blob.data.set(payload, offset);
    blob.have = offset + payload.length;
    return blob.have === total;
  }

  /**
   * @param {string} digest
   * @returns {{mediaType: string, data: Uint8Array<ArrayBuffer>} | null} null until it is complete
   */
  get(digest) {
    const blob = this._blobs.get(digest);
    if (!blob || blob.have < blob.data.length) return null;
    return /** @type {{mediaType: string, data: Uint8Array<ArrayBuffer>}} */ (blob);
  }

  /** @returns {{blobs: [string, number][], complete: string}} what `hello.have` says of them */
  have() {
    /** @type {[string, number][]} */
    const blobs = [];
    const short = [];
    for (const [digest, { have, data }] of this._blobs) {
      if (have < data.length || short.length === MAX_COMPLETE) blobs.push([digest, have]);
      else short.push(shortDigest(digest));
    }
    return { blobs, complete: short.join("") };
  }

  /** @param {string} newest */
  _evict(newest) {
    for (const [digest, blob] of this._blobs) {
      if (this.bytes <= this.max_bytes) return;
      if (digest === newest) continue;
      this._blobs.delete(digest);
      this.bytes -= blob.data.length;
    }
  }
}

/** @param {string} digest in hex */
function shortDigest(digest) {
  const bytes = Array.from({ length: SHORT_DIGEST_BYTES }, (_, at) => Number.parseInt(digest.slice(2 * at, 2 * at + 2), 16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
