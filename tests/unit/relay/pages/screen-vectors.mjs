import { readFileSync } from "node:fs";

/** Updates, their parts, pictures and decoded images made by lecture.screen_canvas, the protocol's own implementation. */
export const vectors = JSON.parse(readFileSync(process.env.HALLCAST_SCREEN_VECTORS, "utf8"));

export const bytes = (hex) => Uint8Array.from(Buffer.from(hex, "hex"));
export const hex = (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");

/** Images as they were decoded there: node has no decoder of WebP. */
export async function decode(image, width, height) {
  const pixels = vectors.images[`${hex(image)} ${width}x${height}`];
  if (!pixels) throw new Error("damaged, or another size");
  return new Uint8ClampedArray(bytes(pixels));
}
