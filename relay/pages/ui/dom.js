/**
 * Small helpers for the pages.
 */

/**
 * The element with this id; a page without it is a mistake of ours.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type]
 * @returns {T}
 */
export function element(id, type) {
  const found = document.getElementById(id);
  if (!found || (type && !(found instanceof type))) throw new Error(`no element #${id}`);
  return /** @type {T} */ (found);
}

/**
 * Change a text only where it differs: live regions speak again at each change.
 * @param {HTMLElement} where
 * @param {string} what
 */
export function say(where, what) {
  if (where.textContent !== what) where.textContent = what;
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Partial<HTMLElementTagNameMap[K]>} [properties]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/**
 * Whether a key press is meant for the element that has the focus rather than for the page.
 * @param {KeyboardEvent} event
 */
export function isForControl(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return true;
  const target = event.target;
  if (target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement) return true;
  if (target instanceof HTMLInputElement) return target.type !== "checkbox" || event.key === " ";
  return (target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement) && [" ", "Enter"].includes(event.key);
}
