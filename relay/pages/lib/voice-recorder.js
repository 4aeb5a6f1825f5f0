/**
 * A microphone's voice as Opus packets in full quality, with this machine's time, whatever the line does.
 */

const VOICE_BPS = 64_000;
export const FRAME_MS = 20;
/** A hole in the microphone's sound that is longer is one at once; a shorter one may be jitter. */
const HOLE_MS = 60;
/** Sound that has been ahead of its count for so long is no jitter: so much was left out, if it is a packet at least. */
const SURE_MS = 200;
/** By so much in that time the microphone's times may go apart from its sound: its clock's drift, at 300 ppm. */
const DRIFT_MS = 0.06;
/** After a hole of this length an encoder begins anew; shorter ones it is spared, as a busy machine has many a second. */
const PAUSE_MS = 500;
/** The microphone's clock is compared with this machine's every so long, and followed by at most so much at once. */
const COMPARE_EVERY_MS = 10_000;
/** Sound from the future tells that the first of it was late: that is mended sooner. */
const COMPARE_SOON_MS = 500;
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
 * Times of packets: they count sound, step over what the microphone left out, and follow this machine's clock where the
 * microphone's differs.
 */
export class SoundClock {
  constructor() {
    /** Sound that the microphone left out, a little each time, by its own times: this machine was busy. */
    this.left_out_ms = 0;
    this._next_ms = 0;
    /** This machine's time minus the microphone's. */
    this._apart_ms = 0;
    /** How far sound is ahead of its count, at least, since this was looked at; and for how long it has been. */
    this._ahead_ms = Infinity;
    this._watched_ms = 0;
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
    const isFirst = this._next_ms === 0;
    const ahead_ms = isFirst ? 0 : stream_ms + this._apart_ms - this._next_ms;
    if (isFirst || ahead_ms < -HOLE_MS) this._begin(now_ms - duration_ms, stream_ms, now_ms);
    else if (ahead_ms > HOLE_MS) this._step(ahead_ms);
    else this._watch(ahead_ms, duration_ms);
    const t_ms = this._next_ms;
    this._next_ms += duration_ms;
    this._late_ms = Math.min(this._late_ms, now_ms - this._next_ms);
    if (now_ms - this._compared_ms >= (this._late_ms < -MAX_STEP_MS ? COMPARE_SOON_MS : COMPARE_EVERY_MS)) {
      const step_ms = Math.max(-MAX_STEP_MS, Math.min(MAX_STEP_MS, this._late_ms));
      this._next_ms += step_ms;
      this._apart_ms += step_ms;
      this._late_ms = Infinity;
      this._compared_ms = now_ms;
    }
    return { t_ms, pause: isFirst || Math.abs(ahead_ms) > PAUSE_MS };
  }

  /**
   * @param {number} t_ms
   * @param {number} stream_ms
   * @param {number} now_ms
   */
  _begin(t_ms, stream_ms, now_ms) {
    this._next_ms = t_ms;
    this._apart_ms = t_ms - stream_ms;
    this._ahead_ms = Infinity;
    this._watched_ms = 0;
    this._late_ms = Infinity;
    this._compared_ms = now_ms;
  }

  /**
   * A busy machine leaves out a little, often: each time it is no more than jitter, together it is seconds.
   * @param {number} ahead_ms
   * @param {number} duration_ms
   */
  _watch(ahead_ms, duration_ms) {
    this._ahead_ms = Math.min(this._ahead_ms, ahead_ms);
    this._watched_ms += duration_ms;
    if (this._watched_ms < SURE_MS) return;
    if (this._ahead_ms >= FRAME_MS) this._step(this._ahead_ms);
    else this._apart_ms -= Math.max(-DRIFT_MS, Math.min(DRIFT_MS, this._ahead_ms));
    this._ahead_ms = Infinity;
    this._watched_ms = 0;
  }

  /** @param {number} hole_ms */
  _step(hole_ms) {
    this._next_ms += hole_ms;
    this._late_ms = Infinity;
    if (hole_ms <= PAUSE_MS) this.left_out_ms += hole_ms;
  }
}

/**
 * Of an encoder that counts the sound it has taken, whatever times that had, and is behind: what its times stand for.
 */
export class PacketTimes {
  constructor() {
    /** @type {{encoder_us: number, t_ms: number}[]} where the two go apart; as many as there are holes on the way */
    this._places = [];
  }

  /**
   * @param {number} encoder_us by the encoder's count, of sound that it takes
   * @param {number} t_ms
   */
  put(encoder_us, t_ms) {
    const last = this._places.at(-1);
    if (last && Math.abs(last.t_ms + (encoder_us - last.encoder_us) / 1000 - t_ms) < 0.5) return;
    this._places.push({ encoder_us, t_ms });
  }

  /**
   * @param {number} encoder_us of a packet, later than all that were asked for before
   * @returns {number} ms
   */
  at(encoder_us) {
    while (this._places.length > 1 && this._places[1].encoder_us <= encoder_us) this._places.shift();
    const { encoder_us: from_us, t_ms } = this._places[0];
    return t_ms + (encoder_us - from_us) / 1000;
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
    /** @type {PacketTimes} of the encoder's packets */
    this._times = new PacketTimes();
    this._encoder_us = 0;
    this._done = this._run();
  }

  /** What the microphone has left out of what was spoken, in ms. */
  get left_out_ms() {
    return this._clock.left_out_ms;
  }

  /** Stop; what has been spoken is handed on first. */
  async stop() {
    await this._reader.cancel().catch(() => {}); // it has failed already
    await this._done;
  }

  async _run() {
    try {
      for (;;) {
        const { value: data, done } = await this._reader.read();
        if (done) break;
        await this._take(data).finally(() => data.close());
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
    this._times.put(this._encoder_us, t_ms);
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
    const times = new PacketTimes();
    this._times = times;
    this._encoder_us = first_us;
    const encoder = new AudioEncoder({
      output: (chunk) => {
        const data = new Uint8Array(chunk.byteLength);
        chunk.copyTo(data);
        this._onFrame({ t_ms: Math.round(times.at(chunk.timestamp)), duration_ms: FRAME_MS, data });
      },
      error: (error) => this._onError(error),
    });
    encoder.configure({ codec: "opus", sampleRate, numberOfChannels, bitrate: VOICE_BPS });
    return encoder;
  }
}
