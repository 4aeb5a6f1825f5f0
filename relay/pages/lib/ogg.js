/**
 * Opus packets as an Ogg file that any player opens (RFC 7845).
 */

const SERIAL = 1;
const TICKS_PER_MS = 48;
const MAX_SEGMENTS = 255;
/** One frame of 20 ms of silence, as every Opus decoder takes it. */
const SILENCE = Uint8Array.of(0xf8, 0xff, 0xfe);
const SILENCE_MS = 20;
/** Holes are as long in the file as they were, up to this. */
const MAX_HOLE_MS = 300_000;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte << 24;
  for (let bit = 0; bit < 8; bit += 1) value = value & 0x80000000 ? (value << 1) ^ 0x04c11db7 : value << 1;
  return value;
});

/**
 * @param {import("./segment.js").VoiceFrame[]} frames in order
 * @returns {Blob}
 */
export function oggOpus(frames) {
  const text = new TextEncoder();
  const head = Uint8Array.of(...text.encode("OpusHead"), 1, 1, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0);
  const vendor = text.encode("Hallcast");
  const tags = Uint8Array.of(...text.encode("OpusTags"), vendor.length, 0, 0, 0, ...vendor, 0, 0, 0, 0);
  const pages = [page([head], 0, 0, 2), page([tags], 0, 1, 0)];
  /** @type {Uint8Array[]} */
  let packets = [];
  let segments = 0;
  let granule_ms = 0;
  const close = (/** @type {number} */ flags) => {
    pages.push(page(packets, granule_ms * TICKS_PER_MS, pages.length, flags));
    packets = [];
    segments = 0;
  };
  const add = (/** @type {Uint8Array} */ packet, /** @type {number} */ duration_ms) => {
    const needs = Math.floor(packet.length / 255) + 1;
    if (segments + needs > MAX_SEGMENTS) close(0);
    packets.push(packet);
    segments += needs;
    granule_ms += duration_ms;
  };
  let next_ms = frames[0]?.t_ms ?? 0;
  for (const { t_ms, duration_ms, data } of frames) {
    const hole_ms = Math.min(t_ms - next_ms, MAX_HOLE_MS);
    for (let at_ms = SILENCE_MS; at_ms <= hole_ms; at_ms += SILENCE_MS) add(SILENCE, SILENCE_MS);
    add(data, duration_ms);
    // What is left of a hole is filled later, with the drift of the clocks.
    next_ms = hole_ms < t_ms - next_ms ? t_ms + duration_ms : next_ms + Math.max(0, hole_ms - (hole_ms % SILENCE_MS)) + duration_ms;
  }
  close(4);
  return new Blob(pages, { type: "audio/ogg" });
}

/**
 * @param {Uint8Array[]} packets with at most 255 segments
 * @param {number} granule
 * @param {number} sequence
 * @param {number} flags
 * @returns {Uint8Array<ArrayBuffer>}
 */
function page(packets, granule, sequence, flags) {
  const lacing = packets.flatMap(({ length }) => [...Array(Math.floor(length / 255)).fill(255), length % 255]);
  const header_bytes = 27 + lacing.length;
  const bytes = new Uint8Array(header_bytes + packets.reduce((sum, { length }) => sum + length, 0));
  const view = new DataView(bytes.buffer);
  bytes.set([0x4f, 0x67, 0x67, 0x53, 0, flags]);
  view.setBigUint64(6, BigInt(granule), true);
  view.setUint32(14, SERIAL, true);
  view.setUint32(18, sequence, true);
  bytes[26] = lacing.length;
  bytes.set(lacing, 27);
  let at = header_bytes;
  for (const packet of packets) {
    bytes.set(packet, at);
    at += packet.length;
  }
  let crc = 0;
  for (const byte of bytes) crc = (crc << 8) ^ TABLE[(crc >>> 24) ^ byte];
  view.setUint32(22, crc >>> 0, true);
  return bytes;
}
