/**
 * Studio: a lecturer's page at /studio/{lecture}. Puts its parts together.
 */

import { studioKey } from "../lib/kept-tokens.js";
import { LecturerSession } from "../lib/lecturer-session.js";
import { CLIENT_VERSION, TOKEN_REFUSED } from "../lib/protocol.js";
import { element, say } from "./dom.js";
import { Copy } from "./studio-copy.js";
import { NoteField } from "./studio-notes.js";
import { Pages } from "./studio-pages.js";
import { Pen } from "./studio-pen.js";
import { Deck, Halls, LectureEnd } from "./studio-side.js";
import { Source } from "./studio-source.js";
import { VoiceChoice } from "./studio-voice.js";
import { clockTime, errorText, keep, read, startTexts, text } from "./texts.js";

/** How long the relay may not know of our publishing before a new session is made: it takes a moment to notice one. */
const PUBLISHER_UNKNOWN_MS = 4000;

/** What the relay would not do is told for so long. */
const ERROR_SHOWN_MS = 15_000;

const lecture = decodeURIComponent(location.pathname.split("/").filter(Boolean).at(-1) ?? "");
const tokenKey = studioKey(lecture);

/** @type {Studio | null} */
let studio = null;

class Studio {
  /**
   * @param {string} token
   * @param {string} role
   */
  constructor(token, role) {
    this._role = role;
    const lecturer = role !== "interpreter";
    this.session = new LecturerSession({
      base: location.href,
      lecture,
      token,
      role,
      version: CLIENT_VERSION,
      onChange: (change, detail) => this._changed(change, detail),
    });
    this._voice = new VoiceChoice({ session: this.session, lecture, interprets: !lecturer, onChoose: () => this._speak() });
    const spoken = () => this._voice.language;
    this._copy = new Copy({ base: location.href, lecture, role, token, session: this.session, spoken });
    this._source = new Source({
      url: this._publishUrl,
      token,
      lecture,
      camera: lecturer,
      onChange: () => this._watchPublisher(),
      onAir: () => this.session.goOn(),
      copy: this._copy,
    });
    this._pages = new Pages({ session: this.session, lecture, token, turns: lecturer });
    this._pen = new Pen({ session: this.session, pages: this._pages, draws: lecturer });
    this._noteField = new NoteField({ session: this.session, writes: lecturer });
    this._halls = new Halls(this.session);
    this._deck = new Deck({ session: this.session, lecture, token, uploads: lecturer });
    // Nothing more is given; but until the relay has ended the lecture it can be taken up again.
    this._end = new LectureEnd({ session: this.session, onEnd: () => void this._source.stop() });
    element("deck-card").hidden = !lecturer;
    element("lecture-card").hidden = !lecturer;
    /** @type {import("../lib/socket.js").CloseReason | null} */
    this._reason = null;
    /** Whether there was a line, and is none: said until it is back, for a page that moves with each attempt spoils a stroke. */
    this._isLost = false;
    /** @type {{id: string, text: string} | null} */
    this._error = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._errorShown = undefined;
    /** Of the drawing that is to be made. */
    this._frame = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._unknown = undefined;
    window.addEventListener("online", () => this.session.retryNow());
    // Halls hear at once that the lecturer has gone, and not when the relay gives the line up.
    window.addEventListener("pagehide", () => void this._source.stop());
    window.addEventListener("beforeunload", (event) => {
      if (this._source.publishing) event.preventDefault();
    });
    setInterval(() => this._drawClock(), 500);
    this.session.connect();
  }

  draw() {
    this._drawBar();
    this._voice.draw();
    this._source.draw();
    this._copy.draw();
    this._pages.draw();
    this._pen.draw();
    this._noteField.draw();
    this._halls.draw();
    this._deck.draw();
    this._end.draw();
  }

  /**
   * @param {import("../lib/lecturer-session.js").Change} change
   * @param {any} detail
   */
  _changed(change, detail) {
    switch (change) {
      case "socket":
        this._reason = detail;
        if (this.session.socketState !== "connecting") this._isLost = this.session.socketState === "waiting";
        if (this.session.socketState === "closed" && TOKEN_REFUSED.has(detail?.id)) {
          keep(sessionStorage, tokenKey, null);
          askForToken(detail);
          return;
        }
        if (this.session.socketState === "open") this._copy.wake();
        else this._error = null;
        this._drawBar();
        this._noteField.draw();
        this._end.draw();
        break;
      case "lecture":
        if (this.session.role !== this._role && this._become(this.session.role)) return;
        this._voice.draw();
        this._speak();
        if (this.session.lecture.state === "ended") {
          void this._source.finish();
          this._copy.wake();
        }
        this._watchPublisher();
        this._pages.draw();
        this._noteField.draw();
        this._deck.draw();
        this._drawBar();
        this._end.draw();
        break;
      case "pages":
      case "shown":
        this._pages.draw();
        this._pages.showFirst();
        this._pen.draw();
        break;
      case "ink":
        // A new connection tells of all that was ever drawn, entry by entry.
        this._frame ||= requestAnimationFrame(() => {
          this._frame = 0;
          this._pen.draw();
        });
        break;
      case "note":
        this._noteField.draw(detail);
        break;
      case "pong":
        this._copy.told(detail);
        break;
      case "repair":
        this._copy.wake();
        break;
      case "halls":
      case "question":
        this._halls.draw();
        break;
      case "progress":
        this._deck.draw();
        this._pages.draw();
        break;
      case "error":
        if (/^deck_(?!unknown)/.test(detail.id)) this._deck.refused(detail);
        else this._refused(detail);
        break;
    }
  }

  get _publishUrl() {
    const url = new URL(`/whip/${encodeURIComponent(lecture)}`, location.href);
    if (this._voice.language) url.searchParams.set("language", this._voice.language);
    return url.href;
  }

  /** Whatever is given from now on is in the language that is chosen. */
  _speak() {
    this._source.moveTo(this._publishUrl);
    this._copy.speak(this._voice.language);
  }

  /**
   * The token is another role's than this page was opened for: begin afresh as that one.
   * @param {string} role
   * @returns {boolean} whether that can be done
   */
  _become(role) {
    keep(sessionStorage, roleKey, role);
    if (this._source.publishing || read(sessionStorage, roleKey) !== role) return false;
    location.reload();
    return true;
  }

  /** @param {{id: string, text: string}} error of a request, which the session survives */
  _refused(error) {
    this._error = error;
    clearTimeout(this._errorShown);
    this._errorShown = setTimeout(() => {
      this._error = null;
      this._drawBar();
    }, ERROR_SHOWN_MS);
    this._drawBar();
  }

  /**
   * Publish anew when the relay does not know (any longer) what this page believes to send. It tells so of the
   * lecturer only; an interpreter's lost line is noticed by the browser, some seconds later.
   */
  _watchPublisher() {
    clearTimeout(this._unknown);
    if (this._role === "interpreter") return;
    if (!this._source.live || !this.session.connected || this.session.publisher === "live") return;
    this._unknown = setTimeout(() => this._source.restart(), PUBLISHER_UNKNOWN_MS);
  }

  _drawBar() {
    const { lecture: facts, socketState } = this.session;
    say(element("title"), facts.title || text("studio"));
    say(element("course"), facts.course);
    document.title = facts.title ? `${facts.title} · Hallcast` : "Hallcast";
    const badge = element("relay-state");
    if (socketState !== "open") badge.dataset.state = socketState === "connecting" ? "" : "bad";
    else badge.dataset.state = { live: "live", planned: "good" }[facts.state] ?? "";
    say(badge, socketState === "open" ? text(`badge_${facts.state}`) : text(`socket_${socketState}`));
    const banner = element("banner");
    const words = this._bannerText();
    banner.hidden = words === "";
    banner.dataset.state = this._error ? "bad" : "";
    say(banner, words);
  }

  _bannerText() {
    if (this._error) return errorText(this._error);
    if (this._isLost) return text(this.session.ending ? "lecture_ending" : "studio_line_lost");
    if (this.session.socketState === "closed" && this._reason?.code) return errorText(this._reason) || text("socket_closed");
    return "";
  }

  _drawClock() {
    const { clock, lecture: facts } = this.session;
    say(element("clock"), facts.state === "planned" ? "" : clockTime(clock.relayTime(performance.now())));
  }
}

/** @param {import("../lib/socket.js").CloseReason | null} reason */
function askForToken(reason) {
  studio = null;
  element("studio").hidden = true;
  element("sign-in").hidden = false;
  element("banner").hidden = true;
  say(element("token-error"), reason ? text("token_refused") : "");
  element("token").focus();
}

/**
 * @param {string} token
 * @param {string} role
 */
function open(token, role) {
  keep(sessionStorage, tokenKey, token);
  element("sign-in").hidden = true;
  element("studio").hidden = false;
  studio = new Studio(token, role);
  studio.draw();
}

/** The token comes in the fragment, which browsers send nowhere; it leaves the address bar at once. */
function takeFragment() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  return { token: fragment.get("token"), role: fragment.get("role") };
}

const fragment = takeFragment();
const roleKey = `hallcast.role.${lecture}`;
const role = fragment.role ?? read(sessionStorage, roleKey) ?? "lecturer";
keep(sessionStorage, roleKey, role);
await startTexts(() => studio?.draw());
element("token-form", HTMLFormElement).onsubmit = (event) => {
  event.preventDefault();
  const typed = element("token", HTMLInputElement);
  const token = typed.value.trim();
  typed.value = "";
  // A page that was refused keeps listeners of its first attempt: begin afresh.
  keep(sessionStorage, tokenKey, token);
  location.reload();
};
const token = fragment.token ?? read(sessionStorage, tokenKey);
if (token) open(token, role);
else askForToken(null);
