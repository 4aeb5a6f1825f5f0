/**
 * The rest of the replay page where a relay serves it: as everywhere, and what was fetched is kept.
 */

import { KeptByBrowser } from "../lib/replay-offline.js";
import { ExportMenu } from "./export-menu.js";
import { openReplay as open } from "./replay.js";

/**
 * @param {{
 *   source: import("../lib/replay-source.js").HttpSource, player: import("./replay-voice.js").VoicePlayer,
 *   manifest: Promise<import("../lib/replay-source.js").Replay>,
 * }} parts
 */
export async function openReplay(parts) {
  parts.source.offline = new KeptByBrowser(parts.source, () => parts.player.hasRoom);
  await open(parts);
  new ExportMenu(parts.source.lecture);
}
