/** @returns {string} a text that nobody else has: 64 random bits */
export function randomId() {
  return [...crypto.getRandomValues(new Uint32Array(2))].map((word) => word.toString(36)).join("-");
}
