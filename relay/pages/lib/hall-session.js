/**
 * A hall in the browser: the hall socket, pages, clock, reports. Voice and camera: hall-media.js.
 */

import { BlobStore, FRAMES_TAKEN, parseBlobFrame, parseEntryFrame, parseScreenPart } from "./frames.js";
import { Notes } from "./notes.js";
import { PROTOCOL_VERSION, RequestError, parseErrorBody } from "./protocol.js";
import { Questions } from "./questions.js";
import { ScreenStills } from "./screen-stills.js";
import { LectureSession } from "./session.js";

const ACK_FROM_BYTES = 1024;
const ACK_APART_MS = 200;
const ACK_EVERY_BYTES = 4096;
const ACK_EVERY_MS = 1000;
/** A relay says something every second while the lecture is live, every 5 s before. */
const SILENCE_ALLOWED_MS = 12_000;

/**
 * @typedef {"socket" | "lecture" | "page" | "media" | "question" | "error"} Change
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
  const invitation = parseInvitation(body);
  // A login page of the network's, which stands in the relay's place.
  if (!invitation) throw new RequestError(0, { id: "not_the_relay", text: "" });
  return invitation;
}

/**
 * @param {string} body
 * @returns {Invitation | null}
 */
function parseInvitation(body) {
  try {
    const invitation = JSON.parse(body);
    return typeof invitation?.ws === "string" ? invitation : null;
  } catch {
    return null;
  }
}

/** @extends {LectureSession<Change>} */
export class HallSession extends LectureSession {
  /**
   * @param {{base: string, invitation: Invitation, hall: string, version: string, playout_delay_ms: number,
   *   language: () => string, decodeWebp: import("./screen.js").Decode, onChange: (change: Change, detail?: any) => void,
   *   onSignal: (message: import("./protocol.js").Message) => void}} options
   *   language: of the voice that was chosen, empty for the lecture's first; onChange: what to draw anew; onSignal: welcome, answer and candidate, for the media connection
   */
  constructor({ base, invitation, hall, version, playout_delay_ms, language, decodeWebp, onChange, onSignal }) {
    super({
      base,
      ws: invitation.ws,
      lecture: { id: invitation.lecture, title: invitation.title },
      playout_delay_ms,
      hello: () => ({
        v: PROTOCOL_VERSION,
        token: invitation.token,
        hall,
        client: { name: "hall page", version },
        voice: ["opus"],
        camera: true,
        frames: FRAMES_TAKEN,
        have: {
          after_seq: this.model.last_seq,
          language: language(),
          ...this.blobs.have(),
          ink: this.model.ink.spans(),
          ...this.stills.have,
        },
      }),
      silence_ms: () => (this.lecture.state === "ended" ? Infinity : SILENCE_ALLOWED_MS),
      onChange,
    });
    this._onSignal = onSignal;
    this.blobs = new BlobStore();
    /** The lecturer's shared screen. */
    this.stills = new ScreenStills(decodeWebp);
    this.notes = new Notes();
    this.voice_sent_ms = 0;
    this._questions = new Questions((kind, fields) => this._socket.send(kind, fields));
    /** Bytes the socket brought, of all connections. */
    this.bytes_received = 0;
    this._unacked_bytes = 0;
    this._acked_at_ms = -Infinity;
    this._connection_bytes = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._ackTimer = undefined;
  }

  /**
   * @param {string} kind
   * @param {Record<string, any>} fields
   */
  send(kind, fields) {
    return this._socket.send(kind, fields);
  }

  /**
   * Ask the lecturer, now or as soon as there is a line; "question" is told when the relay has taken it.
   * @param {string} words
   */
  ask(words) {
    this._questions.ask(words);
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
    switch (message.kind) {
      case "answer":
      case "candidate":
        this._onSignal(message);
        return;
      case "entry":
        this._entry(/** @type {any} */ (message));
        return;
      case "ended":
        this.voice_sent_ms = message.voice_sent_ms ?? 0;
        break;
      case "asked": {
        const error = this._questions.answered(message);
        if (error) this._onChange("error", { id: error, text: "" });
        else if (error === "") this._onChange("question");
        return;
      }
      default:
    }
    super._take(message);
    if (message.kind !== "welcome") return;
    this._onSignal(message);
    this._questions.connected();
  }

  /** @param {import("./deck.js").EntryMessage} message */
  _entry(message) {
    if (!this.model.apply(message)) return;
    this.notes.take(message);
    this._onChange("page");
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
    const blob = parseBlobFrame(data);
    const part = parseScreenPart(data);
    const entry = parseEntryFrame(data);
    if (part) this.stills.add(part);
    if ((blob && this.blobs.add(blob)) || (entry && this.model.apply(entry))) this._onChange("page");
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
      this.stills.disconnected();
    }
    super._socketState(state, reason);
  }
}
