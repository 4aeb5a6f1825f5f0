/**
 * Hall page: the code's form, then the projector.
 */

import { join } from "../lib/hall-session.js";
import { RequestError } from "../lib/protocol.js";
import { element, say } from "./dom.js";
import { Projector } from "./hall-projector.js";
import { errorText, keep, read, startTexts, text } from "./texts.js";

const INVITATION_KEY = "hallcast.invitation";
const NAME_KEY = "hallcast.hall";

/** @typedef {import("../lib/hall-session.js").Invitation} Invitation */

/** @type {Projector | null} */
let projector = null;
/** @type {RequestError | null} */
let refused = null;

/** @param {Invitation} invitation */
function show(invitation) {
  element("join").hidden = true;
  element("projector").hidden = false;
  keep(sessionStorage, INVITATION_KEY, JSON.stringify(invitation));
  projector = new Projector({ invitation, hall: read(localStorage, NAME_KEY) || text("browser_hall"), onRefused: forget });
  projector.draw();
}

/** The relay does not take the invitation (any longer): ask for the code again. */
function forget() {
  keep(sessionStorage, INVITATION_KEY, null);
  location.replace("/hall");
}

/** @returns {Invitation | null} what a reload of this window goes on with */
function keptInvitation() {
  try {
    return JSON.parse(read(sessionStorage, INVITATION_KEY) ?? "null");
  } catch {
    return null;
  }
}

async function submit() {
  const button = element("join-button", HTMLButtonElement);
  button.disabled = true;
  refused = null;
  keep(localStorage, NAME_KEY, element("hall-name", HTMLInputElement).value.trim());
  try {
    show(await join(element("code", HTMLInputElement).value));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    refused = error;
  } finally {
    button.disabled = false;
    draw();
  }
}

function draw() {
  document.title = `Hallcast · ${text("hall")}`;
  say(element("join-error"), refused ? errorText({ id: refused.id, text: refused.text }) : "");
  projector?.draw();
}

const code = new URLSearchParams(location.hash.slice(1)).get("code");
if (location.hash) history.replaceState(null, "", location.pathname);
await startTexts(draw);
element("hall-name", HTMLInputElement).value = read(localStorage, NAME_KEY) ?? "";
element("join-form", HTMLFormElement).onsubmit = (event) => {
  event.preventDefault();
  void submit();
};
const kept = code ? null : keptInvitation();
if (kept) {
  show(kept);
} else {
  element("join").hidden = false;
  const field = element("code", HTMLInputElement);
  field.focus();
  if (code) {
    field.value = code;
    void submit();
  }
}
