/**
 * Studio, left column: which of a lecture's languages an interpreter speaks, where there are several.
 */

import { element, make } from "./dom.js";
import { keep, languageName, read } from "./texts.js";

export class VoiceChoice {
  /**
   * @param {{session: import("../lib/lecturer-session.js").LecturerSession, lecture: string, interprets: boolean, onChoose: () => void}} options
   */
  constructor({ session, lecture, interprets, onChoose }) {
    this._session = session;
    this._interprets = interprets;
    this._key = `hallcast.spoken.${lecture}`;
    this._kept = read(sessionStorage, this._key) ?? "";
    this._list = element("spoken", HTMLSelectElement);
    this._list.onchange = () => {
      this._kept = this._list.value;
      keep(sessionStorage, this._key, this._kept);
      onChoose();
    };
  }

  /** The language that is given here; empty where the token alone says it. */
  get language() {
    const { languages } = this;
    if (languages.length < 2) return "";
    return languages.includes(this._kept) ? this._kept : languages[0];
  }

  /** Those that may be chosen: the first of a lecture is its lecturer's. */
  get languages() {
    return this._interprets ? this._session.lecture.languages.slice(1) : [];
  }

  draw() {
    const { languages, language } = this;
    element("spoken-choice").hidden = languages.length < 2;
    this._list.replaceChildren(...languages.map((value) => make("option", { value, selected: value === language }, languageName(value))));
  }
}
