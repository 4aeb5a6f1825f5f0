/**
 * The replay page in a folder of its own, without a server (recordings/usb_pack.py).
 */

import { startAt, stoppedAt } from "../lib/replay-moment.js";
import { PackSource } from "../lib/replay-pack.js";
import { VoicePlayer } from "./replay-voice.js";
import { openReplay } from "./replay.js";

/** @param {string} file */
function load(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    // Of the bytes in it every one stands for itself: lib/replay-pack.js.
    script.charset = "windows-1252";
    script.src = file;
    script.onload = () => {
      script.remove();
      resolve(undefined);
    };
    script.onerror = reject;
    document.head.append(script);
  });
}

const audio = /** @type {HTMLAudioElement} */ (document.getElementById("voice"));
const source = new PackSource(document.body.dataset.lecture ?? "", load);
const stopped = stoppedAt(source.lecture);
const player = new VoicePlayer(audio, source, { language: stopped?.language ?? "-", position_ms: startAt(location.hash, stopped) });
void openReplay({ source, player, manifest: source.manifest() });
