/**
 * What every page's socket follows of a lecture: its state, its clock, its log.
 */

import { LectureModel } from "./deck.js";
import { LectureClock } from "./lecture-clock.js";
import { socketUrl } from "./protocol.js";
import { RelaySocket } from "./socket.js";

/**
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./socket.js").SocketState} SocketState
 * @typedef {import("./socket.js").CloseReason} CloseReason
 * @typedef {{id: string, title: string, course: string, state: string, languages: string[]}} Lecture
 */

/** @template {string} Change what of it there is to draw anew */
export class LectureSession {
  /**
   * @param {{base: string, ws: string, lecture: {id: string, title: string}, playout_delay_ms?: number,
   *   hello: () => Record<string, any>, silence_ms: () => number,
   *   onChange: (change: Change | "socket" | "lecture" | "error", detail?: any) => void}} options
   *   base: the page's address; ws: the socket's, absolute or a path; hello and silence_ms: see RelaySocket
   */
  constructor({ base, ws, lecture, playout_delay_ms, hello, silence_ms, onChange }) {
    this._onChange = onChange;
    this.model = new LectureModel();
    this.clock = new LectureClock({ playout_delay_ms });
    /** @type {Lecture} */
    this.lecture = { ...lecture, course: "", state: "planned", languages: [] };
    this.publisher = "none";
    this._socket = new RelaySocket({
      url: socketUrl(ws, base),
      hello,
      silence_ms,
      onMessage: (message) => this._take(message),
      onBinary: (data) => this._takeBinary(data),
      onState: (state, reason) => this._socketState(state, reason),
    });
  }

  connect() {
    this._socket.connect();
  }

  /** Try at once: the browser has noticed that the network is back. */
  retryNow() {
    this._socket.retryNow();
  }

  close() {
    this._socket.close();
  }

  /** @returns {SocketState} */
  get socketState() {
    return this._socket.state;
  }

  get connected() {
    return this._socket.state === "open";
  }

  /**
   * Take what concerns every page; what else there is, those who extend this take themselves.
   * @param {Message} message
   */
  _take(message) {
    const now_ms = performance.now();
    switch (message.kind) {
      case "welcome":
        this.lecture = { ...this.lecture, ...message.lecture };
        this.clock.run(this.lecture.state === "live", now_ms);
        this.clock.told(message.t_ms, now_ms);
        this._onChange("lecture");
        break;
      case "clock":
        this.clock.told(message.t_ms, now_ms);
        break;
      case "state":
        this.publisher = message.publisher;
        this.lecture.state = message.lecture;
        this.clock.run(message.lecture === "live", now_ms);
        this._onChange("lecture");
        break;
      case "ended":
        this.lecture.state = "ended";
        this.clock.run(false, now_ms);
        this.clock.told(message.t_ms, now_ms);
        this._onChange("lecture");
        break;
      case "error":
        this._onChange("error", { id: message.id, text: message.text });
        break;
      default: // A newer relay's message.
    }
  }

  /** @param {ArrayBuffer} _data */
  _takeBinary(_data) {}

  /**
   * @param {SocketState} _state
   * @param {CloseReason | null} reason
   */
  _socketState(_state, reason) {
    this._onChange("socket", reason);
  }
}
