/**
 * Studio, left column: microphone, camera, going on air.
 */

import { Publisher } from "../lib/publisher.js";
import { element, make, say } from "./dom.js";
import { watchLevel } from "./level.js";
import { errorText, keep, number, read, text } from "./texts.js";

const MICROPHONE_KEY = "hallcast.microphone";
const CAMERA_KEY = "hallcast.camera";
const NO_CAMERA = "none";
const SILENCE_WARNING_S = 6;
const RATES_EVERY_MS = 2000;
/** What may be the camera's fault alone: the lecture then goes on without it. */
const CAMERA_ERRORS = ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError"];

export class Source {
  /**
   * @param {{url: string, token: string, lecture: string, camera: boolean, onChange: () => void, onAir: () => void,
   *   copy: import("./studio-copy.js").Copy}} options
   *   camera: whether this role sends one; onAir: somebody has gone on air; copy: keeps what is given
   */
  constructor({ url, token, lecture, camera, onChange, onAir, copy }) {
    const key = `hallcast.whip.${lecture}`;
    this._withCamera = camera;
    this._onChange = onChange;
    this._onAir = onAir;
    this._copy = copy;
    element("camera-choice").hidden = !camera;
    /** @type {import("../lib/protocol.js").RelayError | null} */
    this._error = null;
    this._publisher = new Publisher({
      url,
      token,
      sessionStore: { get: () => read(sessionStorage, key), set: (value) => keep(sessionStorage, key, value) },
      onState: (_, error) => {
        this._error = error;
        this._keepVoice();
        this.draw();
        this._onChange();
      },
    });
    /** @type {MediaStream | null} */
    this._stream = null;
    /** @type {(() => void) | null} */
    this._stopLevel = null;
    /** @type {unknown} */
    this._deviceError = null;
    /** @type {unknown} why there is no camera beside the microphone */
    this._cameraError = null;
    this._silent = false;
    this._finished = false;
    this._choosing = 0;
    this._turnOn = element("turn-on", HTMLButtonElement);
    this._microphone = element("microphone", HTMLSelectElement);
    this._camera = element("camera", HTMLSelectElement);
    this._clean = element("clean", HTMLInputElement);
    this._air = element("air", HTMLButtonElement);
    this._turnOn.onclick = () => void this._choose();
    this._microphone.onchange = () => void this._choose();
    this._camera.onchange = () => void this._choose();
    this._clean.onchange = () => void this._choose();
    this._air.onclick = () => void this._toggle();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this._devicesChanged());
    setInterval(() => void this._drawRates(), RATES_EVERY_MS);
    this.draw();
  }

  get publishing() {
    return this._publisher.state !== "idle";
  }

  get live() {
    return this._publisher.state === "live";
  }

  /**
   * Send to another address from now on.
   * @param {string} url
   */
  moveTo(url) {
    this._publisher.moveTo(url);
  }

  /** The relay knows nothing of the session that this page believes to be live. */
  restart() {
    this._publisher.restart();
  }

  async stop() {
    await this._publisher.stop();
  }

  /** The lecture is over: microphone and camera go dark. */
  async finish() {
    if (this._finished) return;
    this._finished = true;
    await this._publisher.stop();
    this._stopLevel?.();
    if (this._stream) stop(this._stream);
    this._stream = null;
    element("source-card").hidden = true;
    this.draw();
  }

  draw() {
    const state = this._publisher.state;
    element("insecure").hidden = Boolean(navigator.mediaDevices);
    this._turnOn.hidden = Boolean(this._stream) || !navigator.mediaDevices;
    this._air.hidden = this._finished;
    this._air.disabled = !this._stream;
    this._air.classList.toggle("primary", state === "idle");
    this._air.classList.toggle("danger", state !== "idle");
    say(element("source-title"), text(this._withCamera ? "microphone_and_camera" : "microphone"));
    say(this._air, text(state === "idle" ? "go_on_air" : "stop_sending"));
    const reason = this._error ? ` ${errorText(this._error)}` : "";
    say(element("air-state"), text(`air_${state}`) + reason);
    if (state !== "live") say(element("air-rates"), "");
    say(element("device-error"), this._deviceError ? deviceErrorText(this._deviceError) : cameraErrorText(this._cameraError));
    say(element("silence"), this._silent ? text("silence_warning") : "");
    const none = this._camera.querySelector(`option[value="${NO_CAMERA}"]`);
    if (none) none.textContent = text("no_camera");
  }

  /** Open what the lists say (at first: what was chosen last time). */
  async _choose() {
    const choosing = ++this._choosing;
    const first = !this._stream;
    const microphone = first ? read(localStorage, MICROPHONE_KEY) : this._microphone.value;
    const camera = first ? (read(localStorage, CAMERA_KEY) ?? "") : this._camera.value;
    try {
      const { stream, cameraError } = await open(microphone, this._withCamera ? camera : NO_CAMERA, this._clean.checked);
      if (choosing !== this._choosing) {
        stop(stream);
        return;
      }
      const former = this._stream;
      this._stream = stream;
      this._keepVoice();
      this._deviceError = null;
      this._cameraError = cameraError;
      await this._publisher.replace(stream);
      if (former) stop(former);
      keep(localStorage, CAMERA_KEY, camera);
      keep(localStorage, MICROPHONE_KEY, stream.getAudioTracks()[0].getSettings().deviceId ?? "");
      await this._list();
      this._show(stream);
    } catch (error) {
      this._deviceError = error;
    }
    this.draw();
  }

  /** @param {MediaStream} stream */
  _show(stream) {
    element("devices").hidden = false;
    const [camera] = stream.getVideoTracks();
    const preview = element("preview", HTMLVideoElement);
    preview.hidden = !camera;
    preview.srcObject = camera ? new MediaStream([camera]) : null;
    this._stopLevel?.();
    const level = element("level");
    const fill = /** @type {HTMLElement} */ (level.firstElementChild);
    this._stopLevel = watchLevel(stream.getAudioTracks()[0], (share, silent_s) => {
      fill.style.transform = `scaleX(${share})`;
      level.ariaValueNow = String(Math.round(share * 100));
      const silent = silent_s > SILENCE_WARNING_S;
      if (silent !== this._silent) {
        this._silent = silent;
        this.draw();
      }
    });
    for (const track of stream.getTracks()) {
      // Unplugged: its place is taken by what is left, the lecture goes on.
      track.onended = () => void this._choose();
    }
  }

  /** A microphone that was pulled out gives sound again as soon as there is one. */
  async _devicesChanged() {
    await this._list();
    if (this._stream?.getAudioTracks()[0].readyState === "ended") await this._choose();
  }

  async _list() {
    if (!this._stream) return;
    const devices = await navigator.mediaDevices.enumerateDevices();
    const using = (/** @type {MediaStreamTrack | undefined} */ track) => track?.getSettings().deviceId;
    fill(this._microphone, devices.filter(({ kind }) => kind === "audioinput"), using(this._stream.getAudioTracks()[0]));
    fill(this._camera, devices.filter(({ kind }) => kind === "videoinput"), using(this._stream.getVideoTracks()[0]) ?? NO_CAMERA);
    this._camera.append(make("option", { value: NO_CAMERA, selected: this._stream.getVideoTracks().length === 0 }, text("no_camera")));
  }

  async _toggle() {
    if (this.publishing) await this._publisher.stop();
    else if (this._stream) {
      this._onAir();
      this._publisher.start(this._stream);
    }
    // The next key turns a page, and the space bar does not stop the sending.
    element("stage").focus();
  }

  /** What is given goes into the own copy, whether it arrives or not. */
  _keepVoice() {
    const isGiven = this.publishing && this._publisher.state !== "refused";
    this._copy.voice((isGiven && this._stream?.getAudioTracks()[0]) || null);
  }

  async _drawRates() {
    const stats = await this._publisher.stats();
    this._copy.feedback(stats);
    if (!stats) return;
    const values = { voice: number(stats.voice_kbps), camera: number(stats.camera_kbps), rtt: number(stats.rtt_ms ?? 0) };
    say(element("air-rates"), text(this._withCamera ? "air_rates" : "air_rates_voice", values));
  }
}

/**
 * @param {string | null} microphone device id, empty for any
 * @param {string} camera device id, empty for any, {@link NO_CAMERA}
 * @param {boolean} clean
 * @returns {Promise<{stream: MediaStream, cameraError: unknown}>} with a microphone; without the camera if that alone
 *   cannot be had, and why
 */
async function open(microphone, camera, clean) {
  const audio = {
    ...(microphone ? { deviceId: { ideal: microphone } } : {}),
    channelCount: 1,
    noiseSuppression: clean,
    autoGainControl: clean,
    // The halls' sound never plays here.
    echoCancellation: false,
  };
  const video = {
    ...(camera ? { deviceId: { ideal: camera } } : {}),
    width: { ideal: 640, max: 640 },
    height: { ideal: 480, max: 480 },
    frameRate: { ideal: 15, max: 15 },
  };
  if (camera === NO_CAMERA) return { stream: await navigator.mediaDevices.getUserMedia({ audio }), cameraError: null };
  try {
    return { stream: await navigator.mediaDevices.getUserMedia({ audio, video }), cameraError: null };
  } catch (error) {
    if (!CAMERA_ERRORS.includes(nameOf(error))) throw error;
    return { stream: await navigator.mediaDevices.getUserMedia({ audio }), cameraError: error };
  }
}

/** @param {MediaStream} stream */
function stop(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

/**
 * @param {HTMLSelectElement} list
 * @param {MediaDeviceInfo[]} devices
 * @param {string | undefined} chosen
 */
function fill(list, devices, chosen) {
  const name = (/** @type {MediaDeviceInfo} */ device, /** @type {number} */ at) => device.label || `${at + 1}`;
  list.replaceChildren(
    ...devices.map((device, at) => make("option", { value: device.deviceId, selected: device.deviceId === chosen }, name(device, at))),
  );
}

/** @param {unknown} error */
function nameOf(error) {
  return error instanceof DOMException ? error.name : "";
}

/** @param {unknown} error why there is no camera; that there is none at all needs no words */
function cameraErrorText(error) {
  const name = nameOf(error);
  if (name === "NotAllowedError") return text("camera_not_allowed");
  return name === "NotReadableError" ? text("camera_in_use") : "";
}

/** @param {unknown} error */
function deviceErrorText(error) {
  const name = nameOf(error);
  if (name === "NotAllowedError") return text("device_not_allowed");
  if (name === "NotFoundError") return text("device_not_found");
  if (name === "NotReadableError") return text("device_in_use");
  return text("device_failed", { reason: String(error) });
}
