/**
 * The shared screen on a canvas of the page.
 */

/**
 * Decode a WebP image to RGBA (lib/screen.js, `Decode`).
 * @param {Uint8Array<ArrayBuffer>} image
 * @param {number} width
 * @param {number} height
 */
export async function decodeWebp(image, width, height) {
  const bitmap = await createImageBitmap(new Blob([image], { type: "image/webp" }), { colorSpaceConversion: "none" });
  try {
    if (bitmap.width !== width || bitmap.height !== height) throw new RangeError(`${bitmap.width}x${bitmap.height} pixels`);
    const pen = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    if (!pen) throw new Error("this browser has no canvas");
    pen.drawImage(bitmap, 0, 0);
    return pen.getImageData(0, 0, width, height).data;
  } finally {
    bitmap.close();
  }
}

/**
 * Draw what has changed of the picture.
 * @param {HTMLCanvasElement} canvas takes the picture's size
 * @param {import("../lib/screen.js").ScreenCanvas} picture
 * @param {import("../lib/screen.js").Box} changed
 */
export function paint(canvas, { pixels, stride, position }, changed) {
  const { width, height } = position;
  const isNew = canvas.width !== width || canvas.height !== height;
  if (isNew) [canvas.width, canvas.height] = [width, height];
  const pen = canvas.getContext("2d");
  const { left, top, right, bottom } = isNew ? { left: 0, top: 0, right: width, bottom: height } : changed;
  if (!pen || right <= left || bottom <= top) return;
  const whole = new ImageData(/** @type {Uint8ClampedArray<ArrayBuffer>} */ (pixels), stride);
  pen.putImageData(whole, 0, 0, left, top, right - left, bottom - top);
}
