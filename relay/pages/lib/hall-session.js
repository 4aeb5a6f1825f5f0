/**
 * A hall in the browser: the hall socket, pages, clock, reports. Voice and camera: hall-media.js.
 */

import { LectureModel } from "./deck.js";
import { BlobStore, parseBlobFrame } from "./frames.js";
import { LectureClock } from "./lecture-clock.js";
import { PROTOCOL_VERSION, RequestError, parseErrorBody, socketUrl } from "./protocol.js";
import { RelaySocket } from "./socket.js";

const ACK_FROM_BYTES = 1024;
const ACK_APART_MS = 200;
const ACK_EVERY_BYTES = 4096;
const ACK_EVERY_MS = 1000;
/** A live relay tells the time every second. */
const SILENCE_ALLOWED_MS = 12_000;

/**
 * @typedef {"socket" | "lecture" | "page" | "media" | "error"} Change
 * @typedef {{lecture: string, title: string, ws: string, token: string}} Invitation
 */

/**
 * Ask the relay which lecture a hall code belongs to.
 * @param {string} code as typed
 * @returns {Promise<Invitation>}
 * @throws {RequestError}
 */
export async function join(code) {
  let response;
  try {
    response = await fetch("/join", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ code: code.trim() }),
      cache: "no-store",
    });
  } catch {
    throw new RequestError(0, { id: "unreachable", text: "" });
  }
  const body = await response.text();
  if (!response.ok) throw new RequestError(response.status, parseErrorBody(body, response.status));
  return JSON.parse(body);
}

export class HallSession {
  /**
   * @param {{base: string, invitation: Invitation, hall: string, version: string, playout_delay_ms: number,
   *   onChange: (change: Change, detail?: any) => void,
   *   onSignal: (message: import("./protocol.js").Message) => void}} options
   *   onChange: what to draw anew; onSignal: welcome, answer and candidate, for the media connection
   */
  constructor({ base, invitation, hall, version, playout_delay_ms, onChange, onSignal }) {
    this._onChange = onChange;
    this._onSignal = onSignal;
    this.model = new LectureModel();
    this.blobs = new BlobStore();
    this.clock = new LectureClock({ playout_delay_ms });
    this.lecture = { id: invitation.lecture, title: invitation.title, course: "", state: "planned", languages: /** @type {string[]} */ ([]) };
    this.publisher = "none";
    this.voice_sent_ms = 0;
    /** Bytes the socket brought, of all connections. */
    this.bytes_received = 0;
    this._unacked_bytes = 0;
    this._acked_at_ms = -Infinity;
    this._connection_bytes = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._ackTimer = undefined;
    this._socket = new RelaySocket({
      url: socketUrl(invitation.ws, base),
      hello: () => ({
        v: PROTOCOL_VERSION,
        token: invitation.token,
        hall,
        client: { name: "hall page", version },
        voice: ["opus"],
        camera: true,
        have: { after_seq: this.model.last_seq, blobs: this.blobs.have() },
      }),
      onMessage: (message) => this._take(message),
      onBinary: (data) => this._takeBinary(data),
      onState: (state, reason) => this._socketState(state, reason),
      silence_ms: () => (this.lecture.state === "live" ? SILENCE_ALLOWED_MS : Infinity),
    });
  }

  connect() {
    this._socket.connect();
  }

  retryNow() {
    this._socket.retryNow();
  }

  close() {
    this._socket.close();
  }

  /**
   * @param {string} kind
   * @param {Record<string, any>} fields
   */
  send(kind, fields) {
    return this._socket.send(kind, fields);
  }

  get socketState() {
    return this._socket.state;
  }

  /**
   * The image to show for a page: the sharpest that is here.
   * @param {string} deck
   * @param {number} page
   * @returns {import("./deck.js").Tier | null}
   */
  bestTier(deck, page) {
    return this.model.tiers(deck, page).find(({ digest }) => this.blobs.get(digest)) ?? null;
  }

  /** @param {import("./protocol.js").Message} message */
  _take(message) {
    const now_ms = performance.now();
    switch (message.kind) {
      case "welcome":
        this.lecture = { ...this.lecture, ...message.lecture };
        this.clock.run(this.lecture.state === "live", now_ms);
        this.clock.told(message.t_ms, now_ms);
        this._onSignal(message);
        this._onChange("lecture");
        break;
      case "answer":
      case "candidate":
        this._onSignal(message);
        break;
      case "entry":
        if (this.model.apply(/** @type {any} */ (message))) this._onChange("page");
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
        this.voice_sent_ms = message.voice_sent_ms ?? 0;
        this._onChange("lecture");
        break;
      case "error":
        this._onChange("error", { id: message.id, text: message.text });
        break;
      default: // A newer relay's message.
    }
  }

  /** @param {ArrayBuffer} data */
  _takeBinary(data) {
    this.bytes_received += data.byteLength;
    this._connection_bytes += data.byteLength;
    this._unacked_bytes += data.byteLength;
    const apart_ms = performance.now() - this._acked_at_ms;
    const soon = this._unacked_bytes >= ACK_FROM_BYTES && apart_ms >= ACK_APART_MS;
    if (soon || this._unacked_bytes >= ACK_EVERY_BYTES) this._ack();
    else this._ackTimer ??= setTimeout(() => this._ack(), ACK_EVERY_MS);
    const frame = parseBlobFrame(data);
    if (frame && this.blobs.add(frame)) this._onChange("page");
  }

  _ack() {
    clearTimeout(this._ackTimer);
    this._ackTimer = undefined;
    this._unacked_bytes = 0;
    this._acked_at_ms = performance.now();
    this._socket.send("ack", { bytes: this._connection_bytes });
  }

  /**
   * @param {import("./socket.js").SocketState} state
   * @param {import("./socket.js").CloseReason | null} reason
   */
  _socketState(state, reason) {
    if (state === "connecting") {
      clearTimeout(this._ackTimer);
      this._ackTimer = undefined;
      this._unacked_bytes = 0;
      this._connection_bytes = 0;
    }
    this._onChange("socket", reason);
  }
}
