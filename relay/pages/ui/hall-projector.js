/**
 * Hall page: what the projector shows, and the operator's keys.
 */

import { HallMedia } from "../lib/hall-media.js";
import { HallSession } from "../lib/hall-session.js";
import { CLIENT_VERSION, TOKEN_REFUSED } from "../lib/protocol.js";
import { element, make, say } from "./dom.js";
import { HallCamera } from "./hall-camera.js";
import { Controls, heads } from "./hall-controls.js";
import { InkCanvas } from "./ink-canvas.js";
import { PageScreen } from "./page-screen.js";
import { decodeWebp, paint } from "./screen-picture.js";
import { clockTime, errorText, keep, languageName, number, read, text } from "./texts.js";

const PLAYOUT_DELAY_MS = 2000;
/** What the network, the decoder and the sound device add to it; used only while nothing is heard. */
const PATH_DELAY_MS = 300;
/** The last frame that is heard begins this long before the lecture's end. */
const END_HEARD_MS = 300;
const FOLLOW_EVERY_MS = 100;
const REPORT_EVERY_MS = 2000;
const NOTE_MS = 6000;
/** On the lecturer's screen nobody draws. */
const NO_DRAWING = { strokes: [], pointer: null };

export class Projector {
  /**
   * @param {{invitation: import("../lib/hall-session.js").Invitation, hall: string, onRefused: () => void}} options
   */
  constructor({ invitation, hall, onRefused }) {
    this._hall = hall;
    this._onRefused = onRefused;
    this._screen = new PageScreen();
    this._ink = new InkCanvas();
    /** What of it was drawn last. */
    this._drawn = "";
    this._session = new HallSession({
      base: location.href,
      invitation,
      hall,
      version: CLIENT_VERSION,
      playout_delay_ms: PLAYOUT_DELAY_MS + PATH_DELAY_MS,
      language: /** @returns {string} */ () => this._media.language,
      decodeWebp,
      onChange: (change, detail) => this._changed(change, detail),
      onSignal: (message) => this._media.signal(message),
    });
    const languageKey = `hallcast.voice.${invitation.lecture}`;
    const media = {
      playout_delay_ms: PLAYOUT_DELAY_MS,
      send: (/** @type {string} */ kind, /** @type {Record<string, any>} */ fields) => this._session.send(kind, fields),
      onTrack: (/** @type {MediaStream} */ stream) => this._play(stream),
      onState: () => this._mediaChanged(),
    };
    this._media = new HallMedia(media, read(sessionStorage, languageKey) ?? "");
    this._voice = element("voice", HTMLAudioElement);
    this._camera = element("camera", HTMLVideoElement);
    this._inset = new HallCamera();
    this._still = element("screen", HTMLCanvasElement);
    /** @type {import("../lib/media-rates.js").MediaStats | null} */
    this._stats = null;
    this._socketBytes = 0;
    this._pagesTurned = 0;
    /** @type {Set<string>} digests of pages shown */
    this._pagesShown = new Set();
    /** The receipt that the relay has. */
    this._receipt = "";
    /** @type {import("../lib/socket.js").CloseReason | null} why there is no line, until there is one again */
    this._lost = null;
    this._note = "";
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._noteTimer = undefined;
    this._controls = new Controls({
      onMute: () => this._toggleMute(),
      onCamera: () => this._follow(),
      onLanguage: (language) => {
        keep(sessionStorage, languageKey, language);
        this._media.choose(language);
      },
      onQuestion: (words) => this._ask(words),
    });
    element("start-button").onclick = () => void this._start();
    setInterval(() => this._follow(), FOLLOW_EVERY_MS);
    setInterval(() => void this._report(), REPORT_EVERY_MS);
    window.addEventListener("online", () => this._session.retryNow());
    this._session.connect();
  }

  draw() {
    const { lecture } = this._session;
    say(element("title"), [lecture.title, lecture.course].filter(Boolean).join(" · "));
    if (lecture.title) document.title = `${lecture.title} · Hallcast`;
    say(element("mute"), text(this._voice.muted ? "unmute" : "mute"));
    element("mute").ariaPressed = String(this._voice.muted);
    this._drawLanguages();
    this._drawSign();
    this._drawStatus();
    this._follow();
  }

  _drawLanguages() {
    const { languages } = this._session.lecture;
    const list = element("voice-language", HTMLSelectElement);
    list.hidden = languages.length < 2;
    const chosen = this._media.language || languages[0];
    list.replaceChildren(...languages.map((tag) => make("option", { value: tag, selected: tag === chosen }, languageName(tag))));
  }

  /**
   * @param {import("../lib/hall-session.js").Change} change
   * @param {any} detail
   */
  _changed(change, detail) {
    if (change === "socket" && this._session.socketState === "closed" && TOKEN_REFUSED.has(detail?.id)) {
      this._onRefused();
      return;
    }
    if (change === "socket") this._lost = detail ?? (this._session.connected ? null : this._lost);
    if (change === "error") this._say(errorText(detail));
    if (change === "question") this._say(text("question_sent"));
    if (change === "page") this._follow();
    else this.draw();
    if (change === "lecture" && this._session.lecture.state === "ended") this._media.finish();
  }

  _mediaChanged() {
    this._session.clock.forgetHeard();
    this.draw();
  }

  /** @param {MediaStream} stream */
  _play(stream) {
    if (this._voice.srcObject !== stream) this._voice.srcObject = stream;
    if (this._camera.srcObject !== stream) this._camera.srcObject = stream;
    void this._start();
  }

  /** Browsers start sound only after somebody has touched the page: then ask for that. */
  async _start() {
    try {
      await this._voice.play();
      element("start").hidden = true;
    } catch (error) {
      if (error instanceof DOMException && error.name === "NotAllowedError") {
        element("start").hidden = false;
        element("start-button").focus();
      }
    }
  }

  /** Whether the lecture is live, or its end has not been heard here yet. */
  get _playing() {
    const { clock, lecture } = this._session;
    const now_ms = performance.now();
    if (lecture.state !== "ended") return lecture.state === "live";
    return clock.isHearing(now_ms) && clock.position(now_ms) < clock.relayTime(now_ms) - END_HEARD_MS;
  }

  /** Show the page, or the lecturer's screen, of the moment that is being heard. */
  _follow() {
    const now_ms = performance.now();
    const { clock, model } = this._session;
    const ticks = this._media.heardTicks();
    if (ticks !== null) clock.heard(ticks, now_ms);
    const turn = this._playing ? model.turnAt(clock.position(now_ms)) : model.lastTurn();
    const tier = turn && this._session.bestTier(turn.deck, turn.page);
    const blob = tier && this._session.blobs.get(tier.digest);
    if (turn && this._screen.turn(turn)) this._pagesTurned += 1;
    if (turn && tier && blob) {
      const page = model.decks.get(turn.deck)?.pages.get(turn.page);
      this._screen.show(tier.digest, blob, page?.title || text("page_number", { page: number(turn.page) }), turn);
      this._pagesShown.add(`${turn.deck}/${turn.page}`);
    }
    const heard_ms = this._playing ? clock.position(now_ms) : Infinity;
    void this._session.stills.show(heard_ms, (changed) => this._drawStill(changed));
    this._drawInk(heard_ms);
    this._drawNote(now_ms);
    this._drawWaiting(turn !== null && !tier);
    this._inset.show(this._camera.videoWidth > 0 && this._controls.cameraShown && this._session.publisher === "live");
  }

  /** @param {import("../lib/screen.js").Box} changed */
  _drawStill(changed) {
    const { picture, shown } = this._session.stills;
    if (shown) paint(this._still, picture, changed);
    this._inset.stillChanged();
    if (this._still.hidden !== shown) return;
    this._still.hidden = !shown;
    this._follow(); // the page's ink goes with it, and comes back
  }

  /** @param {number} t_ms lecture time that is heard */
  _drawInk(t_ms) {
    const { seen } = this._screen;
    if (!seen) return;
    const drawing = this._still.hidden ? this._session.model.ink.at(t_ms, seen.deck, seen.page) : NO_DRAWING;
    const drawn = JSON.stringify([seen.deck, seen.page, drawing]);
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    this._ink.show(drawing);
  }

  /** @param {number} now_ms */
  _drawNote(now_ms) {
    const { clock, notes } = this._session;
    const words = notes.look(clock.position(now_ms), now_ms);
    say(element("note-text"), words);
    element("note").hidden = words === "";
  }

  /** @param {boolean} coming whether a page is on its way */
  _drawWaiting(coming) {
    const showing = this._screen.showing || !this._still.hidden;
    element("waiting").hidden = showing;
    if (showing) return;
    const { title, state } = this._session.lecture;
    say(element("waiting-title"), title || "Hallcast");
    say(element("waiting-hint"), text(coming ? "page_coming" : `hall_${state}`));
  }

  _drawSign() {
    const words = this._note || this._trouble();
    const sign = element("sign");
    say(sign, words);
    sign.hidden = words === "";
  }

  /** @returns {string} what is wrong, in plain words; empty while all is well */
  _trouble() {
    const { lecture, publisher, socketState } = this._session;
    if (this._lost) return errorText(this._lost) || text("hall_line_lost");
    if (lecture.state === "ended") return this._playing ? "" : text("hall_ended");
    if (socketState === "connecting" || lecture.state !== "live") return "";
    if (publisher === "down") return text("hall_lecturer_lost");
    if (publisher === "none") return text("hall_lecturer_away");
    if (publisher === "live" && !this._media.connected) return text("hall_media_connecting");
    return "";
  }

  _drawStatus() {
    const { socketState, clock } = this._session;
    const parts = [text(`socket_${socketState}`)];
    const now_ms = performance.now();
    if (clock.isHearing(now_ms)) {
      parts.push(text("hall_delay", { seconds: number((clock.relayTime(now_ms) - clock.position(now_ms)) / 1000, 1) }));
      parts.push(clockTime(clock.position(now_ms)));
    }
    if (this._stats && this._stats.received_kbps > 0) parts.push(text("hall_rate", { kbps: number(this._stats.received_kbps) }));
    say(element("status"), parts.join(" · "));
  }

  async _report() {
    const stats = await this._media.stats();
    const socketBytes = this._session.bytes_received - this._socketBytes;
    this._socketBytes = this._session.bytes_received;
    stats.received_kbps += (socketBytes * 8) / REPORT_EVERY_MS;
    this._stats = stats;
    const now_ms = performance.now();
    const { clock } = this._session;
    const position_ms = clock.position(now_ms);
    this._session.send("report", {
      voice_heard_ms: stats.voice_heard_ms,
      behind_ms: Math.round(clock.relayTime(now_ms) - position_ms),
      playout_delay_ms: stats.playout_delay_ms,
      fraction_lost: stats.fraction_lost,
      rtt_ms: stats.rtt_ms,
      received_kbps: stats.received_kbps,
      carrier: this._media.connected ? "rtp" : "",
      page: this._session.model.turnAt(position_ms)?.page ?? 0,
      heads: heads(),
    });
    if (this._session.lecture.state === "ended" && !this._playing) this._sendReceipt();
    this._drawSign();
    this._drawStatus();
  }

  /** Tell what was heard and seen, again whenever there is more of it. */
  _sendReceipt() {
    const receipt = {
      hall: this._hall,
      voice_sent_ms: this._session.voice_sent_ms,
      voice_heard_ms: this._stats?.voice_heard_ms ?? 0,
      pages_shown: this._pagesShown.size,
      pages_turned: this._pagesTurned,
      heads: heads(),
    };
    const written = JSON.stringify(receipt);
    if (written !== this._receipt && this._session.send("receipt", receipt)) this._receipt = written;
  }

  _toggleMute() {
    this._voice.muted = !this._voice.muted;
    this._say(text(this._voice.muted ? "muted" : "unmuted"));
    this.draw();
  }

  /** @param {string} words */
  _ask(words) {
    this._say(text(this._session.connected ? "question_coming" : "question_waiting"));
    this._session.ask(words);
  }

  /** @param {string} words shown for a moment */
  _say(words) {
    this._note = words;
    clearTimeout(this._noteTimer);
    this._noteTimer = setTimeout(() => {
      this._note = "";
      this._drawSign();
    }, NOTE_MS);
    this._drawSign();
  }
}
