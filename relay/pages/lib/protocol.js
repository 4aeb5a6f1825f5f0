/**
 * Control messages of the relay's sockets (docs/protocol.md): names, numbers, encoding.
 */

export const PROTOCOL_VERSION = "1.0";

/** Version of these pages, for the relay's log. */
export const CLIENT_VERSION = "0.1.0";

/** Entry kinds of the log (numbers are part of the wire). */
export const EntryKind = Object.freeze({
  DECK: 3,
  PAGE: 4,
  TURN: 5,
  POINTER: 6,
  INK: 7,
  QUESTION: 8,
  MARK: 9,
  STATE: 10,
});

/** WebSocket close codes of the relay. */
export const CloseCode = Object.freeze({
  UNAUTHORISED: 4401,
  FORBIDDEN: 4403,
  ENDED: 4410,
  VERSION: 4426,
});

/**
 * Close codes after which connecting again with the same credentials cannot succeed.
 * @type {Set<number>}
 */
export const FINAL_CLOSE_CODES = new Set([
  CloseCode.UNAUTHORISED,
  CloseCode.FORBIDDEN,
  CloseCode.ENDED,
  CloseCode.VERSION,
]);

/**
 * Ids of the errors that mean that a token is no good. The close code alone does not: it also stands for a hello that was late.
 * @type {Set<string>}
 */
export const TOKEN_REFUSED = new Set(["unauthorised", "forbidden"]);

/**
 * @typedef {{kind: string} & Record<string, any>} Message
 * @typedef {{id: string, text: string}} RelayError
 */

/**
 * @param {string} kind
 * @param {Record<string, any>} [fields]
 * @returns {string} a JSON text frame
 */
export function encode(kind, fields = {}) {
  return JSON.stringify({ kind, ...fields });
}

/**
 * @param {string} text
 * @returns {Message | null} null for what is not a message: a newer relay may send things this page does not know.
 */
export function decode(text) {
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  return message !== null && typeof message === "object" && typeof message.kind === "string" ? message : null;
}

/**
 * Address of a socket on the relay that served the page.
 * @param {string} path absolute path, or a whole ws:, wss:, http: or https: URL
 * @param {string} base the page's own address
 */
export function socketUrl(path, base) {
  const url = new URL(path, base);
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  return url.href;
}

/**
 * The error in the body of a refused HTTP request.
 * @param {string} body
 * @param {number} status
 * @returns {RelayError}
 */
export function parseErrorBody(body, status) {
  try {
    const { error } = JSON.parse(body);
    if (error && typeof error.id === "string") return { id: error.id, text: String(error.text ?? "") };
  } catch {
    // A proxy's answer, not the relay's: fall through to the bare status.
  }
  return { id: `http_${status}`, text: "" };
}

/** A request the relay refused, or could not be sent (`status` 0). */
export class RequestError extends Error {
  /**
   * @param {number} status
   * @param {RelayError} error
   */
  constructor(status, error) {
    super(error.text || error.id);
    this.name = "RequestError";
    this.status = status;
    this.id = error.id;
    this.text = error.text;
  }
}
