/**
 * Publishes a microphone and a camera by WHIP and keeps doing so: when the line or the relay goes, a new session is made.
 */

import { Backoff } from "./backoff.js";
import { RequestError } from "./protocol.js";
import { candidateFragment, deleteSession, limitOpus, publish } from "./whip.js";

const VOICE_BPS = 32_000;
const CAMERA_BPS = 300_000;
const CAMERA_FPS = 15;

/** Candidates come in a burst: those of this time go in one PATCH. */
const TRICKLE_BATCH_MS = 50;
/** An interruption shorter than this heals by itself (Wi-Fi roaming). */
const DISCONNECTED_GRACE_MS = 4000;
const CONNECT_DEADLINE_MS = 15_000;
/** Refusals that trying again cannot mend. */
const FINAL_STATUSES = new Set([400, 401, 403, 404, 406, 410, 415, 422]);

/**
 * @typedef {"idle" | "connecting" | "live" | "waiting" | "refused"} PublisherState
 * @typedef {import("./protocol.js").RelayError} RelayError
 * @typedef {{rtt_ms: number | null, voice_kbps: number, camera_kbps: number, fraction_lost: number}} SendingStats
 *   fraction_lost: of the voice, 0 to 1
 * @typedef {{
 *   url: string,
 *   token: string,
 *   onState: (state: PublisherState, error: RelayError | null) => void,
 *   sessionStore?: {get: () => string | null, set: (url: string | null) => void},
 * }} PublisherOptions
 *   sessionStore: where the session's address outlives a reload of the page, so that the next one can end it
 */

export class Publisher {
  /** @param {PublisherOptions} options */
  constructor(options) {
    this._options = options;
    this._backoff = new Backoff();
    /** @type {PublisherState} */
    this.state = "idle";
    /** @type {MediaStream | null} */
    this._stream = null;
    /** @type {RTCPeerConnection | null} */
    this._peer = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    /** @type {Map<string, {at_ms: number, bytes: number}>} */
    this._sent = new Map();
  }

  /** @param {MediaStream} stream one microphone track, at most one camera track */
  start(stream) {
    this._stream = stream;
    this._backoff.reset();
    void this._connect();
  }

  /**
   * Send another microphone or camera from now on; a change between camera and no camera makes a new session.
   * @param {MediaStream} stream
   */
  async replace(stream) {
    this._stream = stream;
    if (!this._peer) return;
    const kinds = (/** @type {{track: MediaStreamTrack | null}[]} */ tracks) =>
      tracks.map(({ track }) => track?.kind).sort().join();
    const senders = this._peer.getSenders();
    const tracks = stream.getTracks();
    if (kinds(senders) !== kinds(tracks.map((track) => ({ track })))) {
      this.restart();
      return;
    }
    await Promise.all(senders.map((sender) => sender.replaceTrack(tracks.find((t) => t.kind === sender.track?.kind) ?? null)));
  }

  /**
   * Publish at another address from now on.
   * @param {string} url
   */
  moveTo(url) {
    if (url === this._options.url) return;
    this._options.url = url;
    if (this.state !== "idle") this.restart();
  }

  /** Give up the present session and make a new one now. */
  restart() {
    if (!this._stream) return;
    void this._connect();
  }

  /** Stop for good and tell the relay. */
  async stop() {
    const peer = this._peer;
    this._stream = null;
    this._peer = null;
    this._drop();
    this._setState("idle", null);
    // Nothing is sent from now on; but the connection stays until the relay has heard why: one that just closes
    // is a line that is down, and the halls would be told so.
    for (const sender of peer?.getSenders() ?? []) void sender.replaceTrack(null);
    await this._endFormerSession();
    peer?.close();
  }

  /** @returns {Promise<SendingStats | null>} rates since the last call; null while nothing is sent */
  async stats() {
    if (!this._peer || this.state !== "live") return null;
    /** @type {SendingStats} */
    const stats = { rtt_ms: null, voice_kbps: 0, camera_kbps: 0, fraction_lost: 0 };
    for (const report of (await this._peer.getStats()).values()) {
      if (report.type === "candidate-pair" && report.nominated && report.currentRoundTripTime !== undefined) {
        stats.rtt_ms = Math.round(report.currentRoundTripTime * 1000);
      }
      if (report.type === "remote-inbound-rtp" && report.kind === "audio") stats.fraction_lost = report.fractionLost ?? 0;
      if (report.type !== "outbound-rtp") continue;
      const before = this._sent.get(report.id);
      this._sent.set(report.id, { at_ms: report.timestamp, bytes: report.bytesSent });
      if (!before || report.timestamp <= before.at_ms) continue;
      const kbps = ((report.bytesSent - before.bytes) * 8) / (report.timestamp - before.at_ms);
      if (report.kind === "audio") stats.voice_kbps += kbps;
      else stats.camera_kbps += kbps;
    }
    return stats;
  }

  async _connect() {
    this._drop();
    this._setState("connecting", null);
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this._peer = peer;
    const current = () => this._peer === peer;
    try {
      await this._endFormerSession();
      if (!current() || !this._stream) return;
      addTracks(peer, this._stream);
      const offer = await peer.createOffer();
      const session = await publish({ url: this._options.url, token: this._options.token, offer: offer.sdp ?? "" });
      this._options.sessionStore?.set(session.url);
      if (!current()) {
        await session.delete();
        return;
      }
      // The endpoint names its ICE servers only now; so gathering begins after its answer.
      if (session.iceServers.length > 0) peer.setConfiguration({ ...peer.getConfiguration(), iceServers: session.iceServers });
      trickle(peer, session, offer.sdp ?? "", (error) => current() && this._failed(error));
      peer.onconnectionstatechange = () => current() && this._connectionChanged(peer);
      this._timer = setTimeout(() => this._failed({ id: "connect_timeout", text: "" }), CONNECT_DEADLINE_MS);
      await peer.setLocalDescription(offer);
      await peer.setRemoteDescription({ type: "answer", sdp: limitOpus(session.answer, VOICE_BPS) });
      await limitCamera(peer);
    } catch (error) {
      if (!current()) return;
      if (error instanceof RequestError) this._failed({ id: error.id, text: error.text }, FINAL_STATUSES.has(error.status));
      else this._failed({ id: "webrtc_failed", text: String(error) });
    }
  }

  /** @param {RTCPeerConnection} peer */
  _connectionChanged(peer) {
    clearTimeout(this._timer);
    switch (peer.connectionState) {
      case "connected":
        this._backoff.reset();
        this._setState("live", null);
        break;
      case "disconnected":
        this._timer = setTimeout(() => this._failed(null), DISCONNECTED_GRACE_MS);
        break;
      case "failed":
      case "closed":
        this._failed(null);
        break;
      default:
        this._timer = setTimeout(() => this._failed({ id: "connect_timeout", text: "" }), CONNECT_DEADLINE_MS);
    }
  }

  /**
   * @param {RelayError | null} error null: the line was lost
   * @param {boolean} [final]
   */
  _failed(error, final = false) {
    this._drop();
    this._setState(final ? "refused" : "waiting", error);
    if (!final) this._timer = setTimeout(() => void this._connect(), this._backoff.next_ms());
  }

  _drop() {
    clearTimeout(this._timer);
    this._sent.clear();
    this._peer?.close();
    this._peer = null;
  }

  async _endFormerSession() {
    const former = this._options.sessionStore?.get();
    if (!former) return;
    this._options.sessionStore?.set(null);
    await deleteSession(former, this._options.token);
  }

  /**
   * @param {PublisherState} state
   * @param {RelayError | null} error
   */
  _setState(state, error) {
    this.state = state;
    this._options.onState(state, error);
  }
}

/**
 * @param {RTCPeerConnection} peer
 * @param {MediaStream} stream
 */
function addTracks(peer, stream) {
  for (const track of stream.getTracks()) {
    const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [stream] });
    const codecs = RTCRtpSender.getCapabilities(track.kind)?.codecs ?? [];
    // VP8 first: every browser decodes it, and it goes through the relay untouched. Retransmission stays in.
    const first = codecs.filter(({ mimeType }) => /\/(VP8|opus)$/i.test(mimeType));
    const others = codecs.filter((codec) => !first.includes(codec));
    if (first.length > 0 && "setCodecPreferences" in transceiver) transceiver.setCodecPreferences([...first, ...others]);
  }
}

/** @param {RTCPeerConnection} peer */
async function limitCamera(peer) {
  for (const sender of peer.getSenders()) {
    if (sender.track?.kind !== "video") continue;
    const parameters = sender.getParameters();
    for (const encoding of parameters.encodings) Object.assign(encoding, { maxBitrate: CAMERA_BPS, maxFramerate: CAMERA_FPS });
    // Words on a blackboard rather than smooth movement.
    parameters.degradationPreference = "maintain-resolution";
    try {
      await sender.setParameters(parameters);
    } catch {
      // A browser that cannot be limited sends what it sees fit; the relay thins it out for the halls.
    }
  }
}

/**
 * @param {RTCPeerConnection} peer
 * @param {import("./whip.js").WhipSession} session
 * @param {string} offer
 * @param {(error: RelayError) => void} onError
 */
function trickle(peer, session, offer, onError) {
  /** @type {import("./whip.js").TrickledCandidate[]} */
  let waiting = [];
  let complete = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const send = async () => {
    timer = undefined;
    const fragment = candidateFragment(offer, waiting, complete);
    waiting = [];
    try {
      await session.trickle(fragment);
    } catch (error) {
      // The session is gone (the relay was restarted): without candidates it will not come up.
      if (error instanceof RequestError) onError({ id: error.id, text: error.text });
      else throw error;
    }
  };
  peer.onicecandidate = ({ candidate }) => {
    if (candidate?.candidate) waiting.push({ candidate: candidate.candidate, mid: candidate.sdpMid ?? "" });
    else complete = true;
    timer ??= setTimeout(() => void send(), complete ? 0 : TRICKLE_BATCH_MS);
  };
}
