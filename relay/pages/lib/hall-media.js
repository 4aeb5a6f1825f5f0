/**
 * The hall page's media connection: voice and camera by WebRTC, offered over the hall socket; made anew when it is lost.
 */

import { Backoff } from "./backoff.js";
import { MediaRates } from "./media-rates.js";

const CONNECT_DEADLINE_MS = 20_000;
const DISCONNECTED_GRACE_MS = 6000;

/**
 * @typedef {{
 *   playout_delay_ms: number,
 *   send: (kind: string, fields: Record<string, any>) => boolean,
 *   onTrack: (stream: MediaStream) => void,
 *   onState: (connected: boolean) => void,
 * }} MediaOptions
 */

export class HallMedia {
  /**
   * @param {MediaOptions} options
   * @param {string} [language] that was heard before
   */
  constructor(options, language = "") {
    this._options = options;
    this._backoff = new Backoff({ first_ms: 1000 });
    this._finished = false;
    /** Of the voice; empty for the lecture's first. */
    this.language = language;
    /** @type {RTCPeerConnection | null} */
    this._peer = null;
    /** @type {RTCIceServer[]} */
    this._iceServers = [];
    /** @type {RTCIceCandidateInit[]} candidates that came before the answer; bounded by the relay's few addresses */
    this._early = [];
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._rates = new MediaRates();
  }

  get connected() {
    return this._peer?.connectionState === "connected";
  }

  /**
   * A message of the hall socket that concerns the media connection.
   * @param {import("./protocol.js").Message} message
   */
  signal(message) {
    if (message.kind === "welcome") {
      if (message.lecture?.state === "ended") return;
      // Kept from before: the lecture may have been planned anew.
      if (!message.lecture?.languages?.includes(this.language)) this.language = "";
      this._iceServers = (message.ice_servers ?? []).map((/** @type {any} */ server) => ({ ...server, urls: [...server.urls] }));
      this._backoff.reset();
      void this._connect();
    } else if (message.kind === "answer") {
      void this._answered(message.sdp);
    } else if (message.kind === "candidate") {
      void this._addCandidate({ candidate: message.candidate, sdpMid: message.mid });
    }
  }

  /**
   * Hear the voice in another language from now on.
   * @param {string} language
   */
  choose(language) {
    this.language = language;
    if (this._peer && !this._finished) void this._connect();
  }

  /** The lecture is over: what has come is played to its end, and the connection not made again. */
  finish() {
    this._finished = true;
    clearTimeout(this._timer);
  }

  close() {
    clearTimeout(this._timer);
    this._rates.newConnection();
    this._peer?.close();
    this._peer = null;
  }

  /** @returns {number | null} RTP timestamp of the voice being played */
  heardTicks() {
    const receiver = this._peer?.getReceivers().find(({ track }) => track.kind === "audio");
    return receiver?.getSynchronizationSources()[0]?.rtpTimestamp ?? null;
  }

  /** @returns {Promise<import("./media-rates.js").MediaStats>} */
  async stats() {
    const peer = this._peer;
    const report = peer ? await peer.getStats() : new Map();
    // A connection that was replaced meanwhile has totals of its own, which the new one's must not be compared with.
    return this._rates.update(peer === this._peer ? report : new Map());
  }

  async _connect() {
    this.close();
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle", iceServers: this._iceServers });
    this._peer = peer;
    this._early = [];
    this._timer = setTimeout(() => this._lost(peer), CONNECT_DEADLINE_MS);
    for (const kind of ["audio", "video"]) {
      const { receiver } = peer.addTransceiver(kind, { direction: "recvonly" });
      // Seconds of delay are nothing in a lecture, lost words are: the buffer leaves time for retransmission.
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = this._options.playout_delay_ms;
    }
    peer.ontrack = ({ streams, track }) => this._options.onTrack(streams[0] ?? new MediaStream([track]));
    peer.onicecandidate = ({ candidate }) =>
      this._options.send("candidate", { candidate: candidate?.candidate ?? "", mid: candidate?.sdpMid ?? "0" });
    peer.onconnectionstatechange = () => this._stateChanged(peer);
    await peer.setLocalDescription();
    if (peer === this._peer) this._options.send("offer", { sdp: peer.localDescription?.sdp ?? "", language: this.language });
  }

  /** @param {string} sdp */
  async _answered(sdp) {
    const peer = this._peer;
    if (peer?.signalingState !== "have-local-offer") return;
    try {
      await peer.setRemoteDescription({ type: "answer", sdp });
      for (const candidate of this._early.splice(0)) await peer.addIceCandidate(candidate);
    } catch {
      // An answer to the offer before this one, or one this browser cannot take: a new offer is the remedy for both.
      this._lost(peer);
    }
  }

  /** @param {RTCIceCandidateInit} candidate */
  async _addCandidate(candidate) {
    const peer = this._peer;
    if (!peer) return;
    if (!peer.remoteDescription) {
      this._early.push(candidate);
      return;
    }
    try {
      await peer.addIceCandidate(candidate);
    } catch {
      // A candidate of a form this browser does not know; the others remain.
    }
  }

  /** @param {RTCPeerConnection} peer */
  _stateChanged(peer) {
    if (peer !== this._peer) return;
    switch (peer.connectionState) {
      case "connected":
        clearTimeout(this._timer);
        this._backoff.reset();
        this._options.onState(true);
        break;
      case "disconnected":
        clearTimeout(this._timer);
        if (!this._finished) this._timer = setTimeout(() => this._lost(peer), DISCONNECTED_GRACE_MS);
        break;
      case "failed":
        this._lost(peer);
        break;
      default: // On its way; the deadline runs.
    }
  }

  /** @param {RTCPeerConnection} peer */
  _lost(peer) {
    if (peer !== this._peer || this._finished) return;
    this.close();
    this._options.onState(false);
    this._timer = setTimeout(() => void this._connect(), this._backoff.next_ms());
  }
}
