/**
 * Where the camera may lie on a page without hiding a word of it: the rules of lecture/inset.py, which halls' windows
 * and films follow.
 */

/** @typedef {{left: number, top: number, width: number, height: number}} Inset in pixels of the picture */
/** @typedef {{data: Uint8ClampedArray, width: number, height: number}} Picture four bytes a pixel */

/** A smaller inset that hides nothing beats a larger one that does. */
const SIZES = [1, 0.75, 0.55];
/** A pixel whose colour differs this much from its surroundings' is part of a letter or a figure. */
const INK = 32;
/** A corner with more such pixels is taken. */
const MOST_INK = 12;
/** An edge along this share of a column or row is a straight line. */
const LINE = 0.7;
/** How far apart the pixels are that are compared. */
const STEP = 2;

/**
 * The corner where an inset hides nothing, at the largest size that fits; the lower right one is preferred. Null if
 * every corner is taken: then the page comes first, and the camera waits for the next one.
 * @param {Picture} picture what the projector shows without the camera
 * @param {number} width the inset's full size, as height
 * @param {number} height
 * @param {number} margin distance from the edges
 * @returns {Inset | null}
 */
export function placeInset(picture, width, height, margin) {
  for (const size of SIZES) {
    const [wide, high] = [Math.floor(width * size), Math.floor(height * size)];
    const [right, bottom] = [picture.width - margin - wide, picture.height - margin - high];
    if (wide <= STEP || high <= STEP || right < margin || bottom < margin) continue;
    for (const [left, top] of [[right, bottom], [margin, bottom], [right, margin], [margin, margin]]) {
      const inset = { left, top, width: wide, height: high };
      if (ink(picture, inset) <= MOST_INK) return inset;
    }
  }
  return null;
}

/**
 * How many pixels stand out from the pixel two to the right or below. Smooth shading does not count, nor does a straight
 * line from edge to edge.
 * @param {Picture} picture
 * @param {Inset} inset
 */
function ink(picture, { left, top, width, height }) {
  const first = (top * picture.width + left) * 4;
  const [pixel, row] = [4, picture.width * 4];
  const across = edges(picture.data, first, [width - STEP, pixel], [height, row], STEP * pixel);
  const down = edges(picture.data, first, [height - STEP, row], [width, pixel], STEP * row);
  return Math.max(across, down);
}

/**
 * @param {Uint8ClampedArray} data
 * @param {number} first
 * @param {[number, number]} lines how many may be straight edges, and how far apart they lie in the data
 * @param {[number, number]} points likewise, along a line
 * @param {number} other from a pixel to the one it is compared with
 */
function edges(data, first, [lines, apart], [points, step], other) {
  let all = 0;
  for (let line = 0; line < lines; line += 1) {
    let some = 0;
    for (let point = 0, at = first + line * apart; point < points; point += 1, at += step) {
      const differs = (/** @type {number} */ colour) => Math.abs(data[at + other + colour] - data[at + colour]) > INK;
      if (differs(0) || differs(1) || differs(2)) some += 1;
    }
    if (some <= LINE * points) all += some;
  }
  return all;
}
