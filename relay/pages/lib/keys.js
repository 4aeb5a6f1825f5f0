/**
 * Keys by name, whatever alphabet the keyboard writes just now.
 */

/**
 * @param {{key: string, code: string}} event
 * @returns {string} a small letter, or what the key writes or is called: "m", "?", "ArrowLeft"
 */
export function keyOf({ key, code }) {
  if (/^[a-z]$/i.test(key)) return key.toLowerCase();
  // Korean writes ㅡ where the keyboard says M, or tells no more than that a syllable is being put together.
  const [, letter] = /^Key([A-Z])$/.exec(code) ?? [];
  return letter ? letter.toLowerCase() : key;
}
