/**
 * A shared screen as stills (docs/protocol.md, "The shared screen"): what an update says, and the picture that updates
 * make. Whoever uses it brings the decoder of WebP (ui/screen-picture.js has the browser's).
 */

export const TILE = 16;
const MAX_EDGE = 4096;
const MAX_UPDATE_BYTES = 120_000;
const MAX_COPIES = 16;
const MAX_MOSAICS = 4;

const VERSION = 1;
const STOP = 1;
const COPY = 1;
const MOSAIC = 2;
const WEBP = 3;
const HEAD_BYTES = 18;
const COPY_BYTES = 10;
const MOSAIC_HEAD_BYTES = 9;
const BYTES_PER_PIXEL = 4;

/**
 * @typedef {{left: number, top: number, width: number, height: number, from_top: number}} Copy
 * @typedef {{columns: number, tiles: number[], image: Uint8Array<ArrayBuffer>}} Mosaic columns: 0 where the tiles stand as in the
 *   picture; tiles: their numbers, rising
 * @typedef {{share: number, number: number, since: number, width: number, height: number, copies: Copy[],
 *   mosaics: Mosaic[], stop: boolean}} ScreenUpdate
 * @typedef {{share: number, number: number, width: number, height: number, stopped: boolean}} ScreenPosition
 * @typedef {{left: number, top: number, right: number, bottom: number}} Box in pixels
 * @typedef {(image: Uint8Array<ArrayBuffer>, width: number, height: number) => Promise<Uint8ClampedArray>} Decode
 *   decodes a WebP image of this size to RGBA; fails if it is damaged or has another size
 */

/** An update that cannot be applied; nothing was changed. */
export class ScreenError extends Error {}

/** @type {ScreenPosition} before the first update */
export const NO_SCREEN = Object.freeze({ share: 0, number: 0, width: 0, height: 0, stopped: false });

/**
 * Whether an update is news and everything that it needs is here.
 * @param {ScreenPosition} position of the update that was applied last
 * @param {ScreenUpdate} update
 */
export function takes(position, update) {
  const isWhole = update.since === 0;
  if (update.share !== position.share) return isWhole;
  if (update.number <= position.number || position.stopped) {
    // After an end, which a relay may have set itself, a sharing may begin anew.
    return update.number >= position.number && isWhole && position.stopped !== update.stop;
  }
  const fits = update.width === position.width && update.height === position.height;
  return isWhole || (update.since <= position.number && fits);
}

/**
 * @param {ScreenUpdate} update
 * @returns {ScreenPosition} the place after it
 */
export function positionAfter({ share, number, width, height, stop }) {
  return { share, number, width, height, stopped: stop };
}

/**
 * @param {Uint8Array} data
 * @returns {{t_ms: number, data: Uint8Array<ArrayBuffer>} | null} an update's lecture time, and the update; null if cut short
 */
export function parseTimed(data) {
  if (data.length < 8) return null;
  const t_ms = Number(viewOf(data).getBigUint64(0));
  return { t_ms, data: data.slice(8) };
}

/**
 * @param {Uint8Array<ArrayBuffer>} data one update
 * @returns {ScreenUpdate | null} null for another version, and for one that breaks a rule
 */
export function parseUpdate(data) {
  if (data.length < HEAD_BYTES || data.length > MAX_UPDATE_BYTES || data[0] !== VERSION) return null;
  const view = viewOf(data);
  const [share, number, since] = [view.getUint32(2), view.getUint32(6), view.getUint32(10)];
  const [width, height] = [view.getUint16(14), view.getUint16(16)];
  if (since >= number || !isEdge(width) || !isEdge(height)) return null;
  /** @type {ScreenUpdate} */
  const update = { share, number, since, width, height, copies: [], mosaics: [], stop: (data[1] & STOP) !== 0 };
  for (let at = HEAD_BYTES; at < data.length; ) {
    const section = data[at];
    at += 1;
    const length = section === COPY ? parseCopy(update, view, at) : section === MOSAIC ? parseMosaic(update, data, at) : 0;
    if (!length || update.copies.length > MAX_COPIES || update.mosaics.length > MAX_MOSAICS) return null;
    at += length;
  }
  return update;
}

/**
 * @param {ScreenUpdate} update gets the copy
 * @param {DataView} view
 * @param {number} at
 * @returns {number} how long it is, 0 if it breaks a rule
 */
function parseCopy(update, view, at) {
  if (update.mosaics.length || at + COPY_BYTES > view.byteLength) return 0;
  const [left, top, width, height, from_top] = [0, 2, 4, 6, 8].map((offset) => view.getUint16(at + offset));
  const { rows, columns } = gridOf(update);
  if (left + width > columns * TILE || Math.max(top, from_top) + height > rows * TILE) return 0;
  update.copies.push({ left, top, width, height, from_top });
  return COPY_BYTES;
}

/**
 * @param {ScreenUpdate} update gets the mosaic
 * @param {Uint8Array<ArrayBuffer>} data
 * @param {number} at
 * @returns {number} how long it is, 0 if it breaks a rule
 */
function parseMosaic(update, data, at) {
  const tilesAt = at + MOSAIC_HEAD_BYTES;
  if (tilesAt > data.length || data[at] !== WEBP) return 0;
  const view = viewOf(data);
  const columns = view.getUint16(at + 1);
  const imageAt = tilesAt + view.getUint16(at + 3);
  const end = imageAt + view.getUint32(at + 5);
  if (end > data.length || columns > MAX_EDGE / TILE) return 0;
  const grid = gridOf(update);
  const tiles = parseTiles(data.subarray(tilesAt, imageAt), grid.rows * grid.columns);
  if (!tiles?.length) return 0;
  update.mosaics.push({ columns, tiles, image: data.slice(imageAt, end) });
  return end - at;
}

/**
 * @param {Uint8Array} data
 * @param {number} count tiles of the picture
 * @returns {number[] | null}
 */
function parseTiles(data, count) {
  const tiles = [];
  let at = 0;
  let next = 0;
  /** @returns {number} NaN if cut short, or longer than any number of tiles */
  const varint = () => {
    for (let value = 0, shift = 0; shift <= 14 && at < data.length; shift += 7) {
      value |= (data[at] & 0x7f) << shift;
      if (data[at++] < 0x80) return value;
    }
    return NaN;
  };
  while (at < data.length) {
    next += varint();
    const end = next + varint();
    if (!(end > next && end <= count)) return null;
    for (; next < end; next += 1) tiles.push(next);
  }
  return tiles;
}

/** The picture of a shared screen, as RGBA in whole tiles: those at the right and lower edge may reach beyond it. */
export class ScreenCanvas {
  /** @param {Decode} decode */
  constructor(decode) {
    this._decode = decode;
    this.position = NO_SCREEN;
    /** Pixels in a row of `pixels`, which has whole tiles; the picture is `position.width` by `position.height` of it. */
    this.stride = 0;
    this.pixels = new Uint8ClampedArray(0);
  }

  /**
   * Apply an update that `position` takes; one at a time.
   * @param {ScreenUpdate} update
   * @returns {Promise<Box>} what of the picture it has changed
   * @throws {ScreenError}
   */
  async apply(update) {
    if (!takes(this.position, update)) throw new ScreenError(`update ${update.number} does not follow ${this.position.number}`);
    const { rows, columns } = gridOf(update);
    const images = await Promise.all(update.mosaics.map((mosaic) => this._image(mosaic, rows, columns)));
    const changed = { left: columns * TILE, top: rows * TILE, right: 0, bottom: 0 };
    if (update.since === 0) {
      this.stride = columns * TILE;
      this.pixels = new Uint8ClampedArray(this.stride * rows * TILE * BYTES_PER_PIXEL);
      new Uint32Array(this.pixels.buffer).fill(OPAQUE_BLACK);
      widen(changed, 0, 0, columns * TILE, rows * TILE);
    }
    for (const { left, top, width, height, from_top } of update.copies) {
      this._move(left, top, width, height, from_top);
      widen(changed, left, top, width, height);
    }
    for (const { image, width, places } of images) {
      for (const { tile, left, top } of places) {
        const [column, row] = [tile % columns, Math.floor(tile / columns)];
        this._put(image, width, left, top, column * TILE, row * TILE);
        widen(changed, column * TILE, row * TILE, TILE, TILE);
      }
    }
    this.position = positionAfter(update);
    changed.right = Math.min(changed.right, update.width);
    changed.bottom = Math.min(changed.bottom, update.height);
    return changed;
  }

  /**
   * A mosaic's image, and where each of its tiles stands in it.
   * @param {Mosaic} mosaic
   * @param {number} rows of tiles in the whole picture
   * @param {number} columns
   */
  async _image({ columns: packed, tiles, image }, rows, columns) {
    const column = tiles.map((tile) => tile % columns);
    const row = tiles.map((tile) => Math.floor(tile / columns));
    const [across, down] = [ranks(column, columns), ranks(row, rows)];
    const width = (packed || across.count) * TILE;
    const height = (packed ? Math.ceil(tiles.length / packed) : down.count) * TILE;
    const places = tiles.map((tile, index) => ({
      tile,
      left: (packed ? index % packed : across.rank[column[index]]) * TILE,
      top: (packed ? Math.floor(index / packed) : down.rank[row[index]]) * TILE,
    }));
    try {
      return { image: await this._decode(image, width, height), width, places };
    } catch (error) {
      throw new ScreenError("a mosaic cannot be decoded", { cause: error });
    }
  }

  /**
   * @param {number} left
   * @param {number} top
   * @param {number} width
   * @param {number} height
   * @param {number} from_top
   */
  _move(left, top, width, height, from_top) {
    const { pixels, stride } = this;
    const at = (/** @type {number} */ y) => (y * stride + left) * BYTES_PER_PIXEL;
    // Against the direction of the move, so that no row is overwritten before it has moved itself.
    const upwards = top <= from_top;
    for (let step = 0; step < height; step += 1) {
      const row = upwards ? step : height - 1 - step;
      pixels.copyWithin(at(top + row), at(from_top + row), at(from_top + row) + width * BYTES_PER_PIXEL);
    }
  }

  /**
   * Put a tile of an image into the picture.
   * @param {Uint8ClampedArray} image
   * @param {number} width of the image
   * @param {number} fromLeft
   * @param {number} fromTop
   * @param {number} left
   * @param {number} top
   */
  _put(image, width, fromLeft, fromTop, left, top) {
    for (let row = 0; row < TILE; row += 1) {
      const from = ((fromTop + row) * width + fromLeft) * BYTES_PER_PIXEL;
      const line = image.subarray(from, from + TILE * BYTES_PER_PIXEL);
      this.pixels.set(line, ((top + row) * this.stride + left) * BYTES_PER_PIXEL);
    }
  }
}

/** Whichever end of a number comes first on this machine. */
const OPAQUE_BLACK = new Uint32Array(Uint8Array.of(0, 0, 0, 255).buffer)[0];

/** @param {{width: number, height: number}} picture */
function gridOf({ width, height }) {
  return { rows: Math.ceil(height / TILE), columns: Math.ceil(width / TILE) };
}

/**
 * @param {number[]} numbers
 * @param {number} length of the range they are in
 * @returns {{rank: number[], count: number}} how many different ones are below each, and how many there are
 */
function ranks(numbers, length) {
  const isThere = new Array(length).fill(false);
  for (const number of numbers) isThere[number] = true;
  let count = 0;
  const rank = isThere.map((there) => (there ? count++ : count));
  return { rank, count };
}

/**
 * @param {Box} box
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 */
function widen(box, left, top, width, height) {
  box.left = Math.min(box.left, left);
  box.top = Math.min(box.top, top);
  box.right = Math.max(box.right, left + width);
  box.bottom = Math.max(box.bottom, top + height);
}

/** @param {number} pixels */
function isEdge(pixels) {
  return pixels > 0 && pixels <= MAX_EDGE;
}

/** @param {Uint8Array} data */
function viewOf(data) {
  return new DataView(data.buffer, data.byteOffset, data.byteLength);
}
