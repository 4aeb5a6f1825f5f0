/**
 * A socket to the relay that reconnects for ever. No DOM; the clock and the WebSocket class can be given (tests).
 */

import { Backoff } from "./backoff.js";
import { FINAL_CLOSE_CODES, decode, encode } from "./protocol.js";

/** A relay that has not said `welcome` by then is taken for dead. */
const WELCOME_DEADLINE_MS = 15_000;

/**
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {"connecting" | "open" | "waiting" | "closed"} SocketState
 *   connecting: trying; open: welcomed; waiting: lost, will try again; closed: for good
 * @typedef {{code: number, id: string, text: string}} CloseReason
 * @typedef {{
 *   url: string,
 *   hello: () => Record<string, any>,
 *   onMessage: (message: Message) => void,
 *   onState: (state: SocketState, reason: CloseReason | null) => void,
 *   onBinary?: (data: ArrayBuffer) => void,
 *   silence_ms?: () => number,
 *   WebSocketClass?: typeof WebSocket,
 *   backoff?: Backoff,
 * }} SocketOptions
 *   hello: fields of the first message, asked for at each connection;
 *   silence_ms: how long the relay may say nothing at this moment before the link is taken for dead (Infinity: for ever)
 */

export class RelaySocket {
  /** @param {SocketOptions} options */
  constructor(options) {
    this._options = options;
    this._backoff = options.backoff ?? new Backoff();
    /** @type {WebSocket | null} */
    this._socket = null;
    /** @type {SocketState} */
    this.state = "waiting";
    /** @type {CloseReason | null} */
    this._lastError = null;
    this._heard_at_ms = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this._watch = undefined;
  }

  connect() {
    if (this.state !== "waiting") return;
    clearTimeout(this._timer);
    this._setState("connecting", null);
    this._lastError = null;
    const WebSocketClass = this._options.WebSocketClass ?? WebSocket;
    const socket = new WebSocketClass(this._options.url);
    socket.binaryType = "arraybuffer";
    this._socket = socket;
    this._heard();
    socket.onopen = () => socket.send(encode("hello", this._options.hello()));
    socket.onmessage = (event) => this._receive(socket, event.data);
    socket.onclose = (event) => this._lost(socket, event.code);
    this._watch = setInterval(() => this._checkSilence(socket), 1000);
  }

  /** Try again now instead of at the end of the current wait. */
  retryNow() {
    if (this.state === "waiting") this.connect();
  }

  /**
   * @param {string} kind
   * @param {Record<string, any>} [fields]
   * @returns {boolean} whether it could be sent
   */
  send(kind, fields = {}) {
    if (this.state !== "open" || !this._socket) return false;
    this._socket.send(encode(kind, fields));
    return true;
  }

  /** Say goodbye and stay closed. */
  close() {
    if (this.state === "closed") return;
    this.send("bye");
    const socket = this._socket;
    this._stop();
    this._setState("closed", null);
    socket?.close(1000);
  }

  /**
   * @param {WebSocket} socket
   * @param {string | ArrayBuffer} data
   */
  _receive(socket, data) {
    if (socket !== this._socket) return;
    this._heard();
    if (typeof data !== "string") {
      this._options.onBinary?.(data);
      return;
    }
    const message = decode(data);
    if (!message) return;
    if (message.kind === "error" && message.fatal !== false) {
      this._lastError = { code: 0, id: String(message.id), text: String(message.text ?? "") };
      return;
    }
    if (message.kind === "welcome") {
      this._backoff.reset();
      this._setState("open", null);
    }
    this._options.onMessage(message);
  }

  /**
   * @param {WebSocket} socket
   * @param {number} code
   */
  _lost(socket, code) {
    if (socket !== this._socket) return;
    this._stop();
    const reason = { id: "", text: "", ...this._lastError, code };
    if (FINAL_CLOSE_CODES.has(code)) {
      this._setState("closed", reason);
      return;
    }
    this._setState("waiting", reason);
    this._timer = setTimeout(() => this.connect(), this._backoff.next_ms());
  }

  /** @param {WebSocket} socket */
  _checkSilence(socket) {
    const allowed_ms = this.state === "open" ? (this._options.silence_ms?.() ?? Infinity) : WELCOME_DEADLINE_MS;
    if (Date.now() - this._heard_at_ms <= allowed_ms) return;
    // A dead link never answers the closing handshake: do not wait for it.
    socket.close();
    this._lost(socket, 1006);
  }

  _heard() {
    this._heard_at_ms = Date.now();
  }

  _stop() {
    this._socket = null;
    clearTimeout(this._timer);
    clearInterval(this._watch);
  }

  /**
   * @param {SocketState} state
   * @param {CloseReason | null} reason
   */
  _setState(state, reason) {
    this.state = state;
    this._options.onState(state, reason);
  }
}
