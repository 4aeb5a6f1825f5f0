/**
 * SHA-256 (FIPS 180-4) bit by bit: the browser's own takes a whole file into memory, and is there on https pages only.
 */

const K = new Uint32Array(64);
const START = new Uint32Array(8);

/** The first 32 bits of the fraction of a root. @param {number} root */
const fraction = (root) => ((root % 1) * 2 ** 32) | 0;

for (let candidate = 2, found = 0; found < 64; candidate += 1) {
  let prime = true;
  for (let factor = 2; factor * factor <= candidate; factor += 1) if (candidate % factor === 0) prime = false;
  if (!prime) continue;
  K[found] = fraction(Math.cbrt(candidate));
  if (found < 8) START[found] = fraction(Math.sqrt(candidate));
  found += 1;
}

export class Sha256 {
  constructor() {
    this._state = START.slice();
    this._block = new Uint8Array(64);
    this._filled = 0;
    this._bytes = 0;
    this._words = new Int32Array(64);
  }

  /** @param {Uint8Array} data */
  update(data) {
    this._bytes += data.length;
    for (let at = 0; at < data.length; ) {
      const taken = Math.min(64 - this._filled, data.length - at);
      this._block.set(data.subarray(at, at + taken), this._filled);
      at += taken;
      this._filled += taken;
      if (this._filled === 64) this._mix();
    }
    return this;
  }

  /** @returns {string} lower-case hex; nothing can be added afterwards */
  hex() {
    const bits = this._bytes * 8;
    const rest = (this._filled < 56 ? 56 : 120) - this._filled;
    const end = new Uint8Array(rest + 8);
    end[0] = 0x80;
    const view = new DataView(end.buffer);
    view.setUint32(rest, Math.floor(bits / 2 ** 32));
    view.setUint32(rest + 4, bits >>> 0);
    this.update(end);
    return Array.from(this._state, (word) => word.toString(16).padStart(8, "0")).join("");
  }

  _mix() {
    this._filled = 0;
    const words = this._words;
    const view = new DataView(this._block.buffer);
    for (let i = 0; i < 16; i += 1) words[i] = view.getInt32(4 * i);
    for (let i = 16; i < 64; i += 1) {
      const x = words[i - 15];
      const y = words[i - 2];
      const s0 = turned(x, 7) ^ turned(x, 18) ^ (x >>> 3);
      const s1 = turned(y, 17) ^ turned(y, 19) ^ (y >>> 10);
      words[i] = words[i - 16] + s0 + words[i - 7] + s1;
    }
    let [a, b, c, d, e, f, g, h] = this._state;
    for (let i = 0; i < 64; i += 1) {
      const t1 = (h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + words[i]) | 0;
      const t2 = ((turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, i) => (this._state[i] += word));
  }
}

/**
 * @param {number} word
 * @param {number} by
 */
function turned(word, by) {
  return (word >>> by) | (word << (32 - by));
}
