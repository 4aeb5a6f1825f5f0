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
 *   manifest: Promise<Response>, opened: import("./replay-voice.js").Opened,
 * }} begun
 */
export async function openReplay({ lecture, token, audio, language, manifest: response, opened }) {
  const source = new HttpSource(lecture, token);
  const manifest = source.manifest(response);
  const player = new VoicePlayer(audio, source, { language, opened });
  source.offline = new KeptByBrowser(source, () => player.room());
  await open({ source, player, manifest });
  new ExportMenu(lecture);
}
