/**
 * The rest of the replay page where a relay serves it: takes over the voice that has begun, and keeps what was fetched.
 */

import { KeptByBrowser } from "../lib/replay-offline.js";
import { HttpSource } from "../lib/replay-source.js";
import { ExportMenu } from "./export-menu.js";
import { openReplay as open } from "./replay.js";
import { VoicePlayer } from "./replay-voice.js";

/**
 * @param {{
 *   lecture: string, token: string, audio: HTMLAudioElement, language: string,
 *   manifest: Promise<Response>, images: import("./replay-images.js").Urls,
 *   opened: import("./replay-voice.js").Opened,
 * }} begun
 */
export async function openReplay({ lecture, token, audio, language, manifest: response, images, opened }) {
  dress();
  const source = new HttpSource(lecture, token);
  const manifest = source.manifest(response);
  const player = new VoicePlayer(audio, source, { language, opened });
  source.offline = new KeptByBrowser(source, () => player.room());
  await open({ source, player, manifest, images });
  new ExportMenu(lecture);
}

/** What a relay sends with this script and not with the page, so that that one is small: whatever works only with it. */
function dress() {
  const { styles, logo } = document.body.dataset;
  const { hallcastLater: later, hallcastSheet: sheet, hallcastLogo: picture = logo } = /** @type {any} */ (globalThis);
  for (const [at, place] of document.querySelectorAll("template").entries()) place.outerHTML = later[at];
  if (sheet) {
    const made = new CSSStyleSheet();
    made.replaceSync(sheet);
    document.adoptedStyleSheets.push(made);
  } else if (styles) {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: styles }));
  }
  for (const image of document.querySelectorAll("img[data-logo]")) /** @type {HTMLImageElement} */ (image).src = picture;
  /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]")).href = picture;
}
