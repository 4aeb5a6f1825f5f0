/**
 * A microphone's voice as Opus packets in full quality, with this machine's time, whatever the line does.
 */

const VOICE_BPS = 64_000;
export const FRAME_MS = 20;
/** A hole in the microphone's sound that is longer begins the packets' times anew; a shorter one is jitter. */
const HOLE_MS = 60;
/** After a hole of this length an encoder begins anew; shorter ones it is spared, as a busy machine has many a second. */
const PAUSE_MS = 500;
/** The microphone's clock is compared with this machine's every so long, and followed by at most so much at once. */
const COMPARE_EVERY_MS = 10_000;
const MAX_STEP_MS = 8;
/** Pieces of sound, of 10 ms as a rule, that wait for a page that is busy; what comes beyond them is lost. */
const MAX_WAITING = 500;

/** @returns {boolean} whether this browser can do it */
export function canRecord() {
  return "MediaStreamTrackProcessor" in globalThis && "AudioEncoder" in globalThis;
}

/** @returns {number} ms since 1970 by a clock that does not jump while the page is open */
export function machineTime() {
  return performance.timeOrigin + performance.now();
}

/**
 * Times of packets: they count sound, and follow this machine's clock where the microphone's differs.
 */
export class SoundClock {
  constructor() {
    this._next_ms = 0;
    this._stream_ms = -Infinity;
    /** How late sound is by its count, at least, since the last comparison. */
    this._late_ms = Infinity;
    this._compared_ms = 0;
  }

  /**
   * Sound has come.
   * @param {number} stream_ms its time by the microphone
   * @param {number} duration_ms
   * @param {number} now_ms this machine's time
   * @returns {{t_ms: number, pause: boolean}} this machine's time when it began; whether much sound is missing before it
   */
  take(stream_ms, duration_ms, now_ms) {
    const hole_ms = stream_ms - this._stream_ms;
    this._stream_ms = stream_ms + duration_ms;
    const isFirst = this._next_ms === 0;
    const hole = isFirst || Math.abs(hole_ms) > HOLE_MS;
    if (isFirst) this._begin(now_ms - duration_ms, now_ms);
    else if (hole) this._begin(hole_ms > 0 ? this._next_ms + hole_ms : now_ms - duration_ms, now_ms);
    const t_ms = this._next_ms;
    this._next_ms += duration_ms;
    this._late_ms = Math.min(this._late_ms, now_ms - this._next_ms);
    if (now_ms - this._compared_ms >= COMPARE_EVERY_MS) {
      this._next_ms += Math.max(-MAX_STEP_MS, Math.min(MAX_STEP_MS, this._late_ms));
      this._late_ms = Infinity;
      this._compared_ms = now_ms;
    }
    return { t_ms, pause: isFirst || Math.abs(hole_ms) > PAUSE_MS };
  }

  /**
   * @param {number} t_ms
   * @param {number} now_ms
   */
  _begin(t_ms, now_ms) {
    this._next_ms = t_ms;
    this._late_ms = Infinity;
    this._compared_ms = now_ms;
  }
}

export class VoiceRecorder {
  /**
   * @param {MediaStreamTrack} track
   * @param {(frame: import("./segment.js").VoiceFrame) => void} onFrame
   * @param {(error: unknown) => void} onError the encoder failed: nothing more comes
   */
  constructor(track, onFrame, onError) {
    this._track = track;
    this._onFrame = onFrame;
    this._onError = onError;
    // @ts-expect-error Not in TypeScript's DOM library yet.
    const processor = new MediaStreamTrackProcessor({ track, maxBufferSize: MAX_WAITING });
    /** @type {ReadableStreamDefaultReader<AudioData>} */
    this._reader = processor.readable.getReader();
    this._clock = new SoundClock();
    /** @type {AudioEncoder | null} */
    this._encoder = null;
    this._format = "";
    /** This machine's time of the sound that the encoder took last, and its time there in µs. */
    this._anchor = { t_ms: 0, encoder_us: 0 };
    this._encoder_us = 0;
    this._done = this._run();
  }

  /** Stop; what has been spoken is handed on first. */
  async stop() {
    await this._reader.cancel();
    await this._done;
  }

  async _run() {
    try {
      for (;;) {
        const { value: data, done } = await this._reader.read();
        if (done) break;
        await this._take(data);
        data.close();
      }
      await this._finish();
    } catch (error) {
      this._onError(error);
    }
  }

  /** @param {AudioData} data */
  async _take(data) {
    const { sampleRate, numberOfChannels } = data;
    const { t_ms, pause } = this._clock.take(data.timestamp / 1000, data.duration / 1000, machineTime());
    if (!this._track.enabled || this._track.muted) {
      await this._finish();
      return;
    }
    const format = `${sampleRate} ${numberOfChannels}`;
    if (pause || format !== this._format) await this._finish();
    if (!this._encoder) {
      this._format = format;
      this._encoder = this._newEncoder(sampleRate, Math.min(2, numberOfChannels), data.timestamp);
    }
    this._anchor.t_ms = t_ms;
    this._anchor.encoder_us = this._encoder_us;
    this._encoder_us += data.duration;
    this._encoder.encode(data);
  }

  /** What has been taken is encoded and handed on. */
  async _finish() {
    const encoder = this._encoder;
    this._encoder = null;
    if (encoder?.state === "configured") await encoder.flush();
    if (encoder && encoder.state !== "closed") encoder.close();
  }

  /**
   * @param {number} sampleRate
   * @param {number} numberOfChannels
   * @param {number} first_us
   */
  _newEncoder(sampleRate, numberOfChannels, first_us) {
    const anchor = { t_ms: 0, encoder_us: first_us };
    this._anchor = anchor;
    this._encoder_us = first_us;
    const encoder = new AudioEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        // The encoder counts the sound it has taken, whatever times that had, and is a little behind.
        const t_ms = Math.round(anchor.t_ms + (chunk.timestamp - anchor.encoder_us) / 1000);
        this._onFrame({ t_ms, duration_ms: FRAME_MS, data });
      },
      error: (error) => this._onError(error),
    });
    encoder.configure({ codec: "opus", sampleRate, numberOfChannels, bitrate: VOICE_BPS });
    return encoder;
  }
}
