/**
 * Voice in chunk frames, and segments of them that repair the recording (docs/protocol.md, sections 6, 7 and 14).
 */

import { crc32c } from "./crc32c.js";
import { hex } from "./hex.js";

export const SEGMENT_TYPE = "application/vnd.hallcast.segment";
/** How long the voice in one chunk lasts. */
export const CHUNK_MS = 480;

const MAGIC = [0x48, 0x43, 0x53, 0x31];
const CHUNK_HEADER_BYTES = 30;
const FRAME_HEADER_BYTES = 9;
const VOICE = 1;
const TRACK_ID = 1;
/** More than a segment's head, and its share of every frame's chunk header. */
const HEAD_BYTES = 1024;
const SHARED_BYTES = 3;

/**
 * @typedef {{t_ms: number, duration_ms: number, data: Uint8Array}} VoiceFrame an Opus packet and its time
 * @typedef {{start_ms: number, end_ms: number}} Span
 * @typedef {{copy: string, language: string, start_ms: number, end_ms: number, frames: VoiceFrame[]}} Segment
 */

/**
 * @param {VoiceFrame[]} frames one at least, in order, of less than 65 s
 * @returns {Uint8Array<ArrayBuffer>} a chunk frame
 */
export function packChunk(frames) {
  const [first, last] = [frames[0], frames[frames.length - 1]];
  const size = frames.reduce((sum, { data }) => sum + FRAME_HEADER_BYTES + data.length, CHUNK_HEADER_BYTES);
  const chunk = new Uint8Array(size);
  const view = new DataView(chunk.buffer);
  chunk.set([1, 1, VOICE, 0]);
  view.setUint16(4, TRACK_ID);
  view.setBigUint64(14, BigInt(first.t_ms));
  view.setUint32(22, last.t_ms + last.duration_ms - first.t_ms);
  let at = CHUNK_HEADER_BYTES;
  for (const { t_ms, duration_ms, data } of frames) {
    view.setUint16(at, t_ms - first.t_ms);
    view.setUint16(at + 2, duration_ms);
    view.setUint32(at + 5, data.length);
    chunk.set(data, at + FRAME_HEADER_BYTES);
    at += FRAME_HEADER_BYTES + data.length;
  }
  view.setUint32(26, checksum(chunk));
  return chunk;
}

/**
 * @param {Uint8Array} chunk
 * @returns {VoiceFrame[]} none where it is damaged
 */
export function parseChunk(chunk) {
  if (chunk.length < CHUNK_HEADER_BYTES) return [];
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  if (view.getUint32(26) !== checksum(chunk)) return [];
  const begin_ms = Number(view.getBigUint64(14));
  /** @type {VoiceFrame[]} */
  const frames = [];
  for (let at = CHUNK_HEADER_BYTES; at + FRAME_HEADER_BYTES <= chunk.length; ) {
    const end = at + FRAME_HEADER_BYTES + view.getUint32(at + 5);
    const data = chunk.subarray(at + FRAME_HEADER_BYTES, end);
    frames.push({ t_ms: begin_ms + view.getUint16(at), duration_ms: view.getUint16(at + 2), data });
    at = end;
  }
  return frames;
}

/** @param {Uint8Array} chunk */
function checksum(chunk) {
  const covered = new Uint8Array(16);
  covered.set(chunk.subarray(2, 6));
  covered.set(chunk.subarray(14, 26), 4);
  return crc32c(chunk.subarray(CHUNK_HEADER_BYTES), crc32c(covered));
}

/**
 * @param {Segment} segment
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function packSegment({ copy, language, start_ms, end_ms, frames }) {
  const track = { kind: "voice", codec: "opus", clock_rate: 48000, language, rung: "source", channels: 1 };
  const head = new TextEncoder().encode(JSON.stringify({ copy, start_ms, end_ms, track }));
  const chunks = inChunks(frames).map(packChunk);
  const size = chunks.reduce((sum, chunk) => sum + 4 + chunk.length, MAGIC.length + 2 + head.length);
  const body = new Uint8Array(size);
  const view = new DataView(body.buffer);
  body.set(MAGIC);
  view.setUint16(MAGIC.length, head.length);
  body.set(head, MAGIC.length + 2);
  let at = MAGIC.length + 2 + head.length;
  for (const chunk of chunks) {
    view.setUint32(at, chunk.length);
    body.set(chunk, at + 4);
    at += 4 + chunk.length;
  }
  return body;
}

/**
 * @param {VoiceFrame[]} frames in order
 * @param {number} max_bytes
 * @returns {number} how many of the first of them a segment of so many bytes holds; one at least, if there are any
 */
export function countThatFit(frames, max_bytes) {
  let left = max_bytes - HEAD_BYTES;
  const beyond = frames.findIndex((frame) => {
    left -= sizeOf([frame]);
    return left < 0;
  });
  return beyond < 0 ? frames.length : Math.max(1, beyond);
}

/**
 * @param {VoiceFrame[]} frames
 * @returns {number} bytes that they take in a segment, at most
 */
export function sizeOf(frames) {
  return frames.reduce((sum, { data }) => sum + FRAME_HEADER_BYTES + SHARED_BYTES + data.length, 0);
}

/** @param {VoiceFrame[]} frames */
function inChunks(frames) {
  /** @type {VoiceFrame[][]} */
  const chunks = [];
  for (const frame of frames) {
    const open = chunks[chunks.length - 1];
    if (open && frame.t_ms - open[0].t_ms < CHUNK_MS) open.push(frame);
    else chunks.push([frame]);
  }
  return chunks;
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string>} its SHA-256 in lower-case hex
 */
export async function sha256(bytes) {
  return hex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
