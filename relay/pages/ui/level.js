/**
 * Level of a microphone, for a meter.
 */

/** Below this the lecturer is presumably muted or speaking into another microphone. */
const SILENT_DB = -52;
const FLOOR_DB = -60;
const EVERY_MS = 80;

/**
 * @param {MediaStreamTrack} track
 * @param {(share: number, silent_s: number) => void} onLevel share 0 to 1 of the meter; how long it has been silent
 * @returns {() => void} stops it
 */
export function watchLevel(track, onLevel) {
  const context = new AudioContext();
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  // The page may have been opened without a click: then the context waits for the first one.
  const wake = () => void context.resume();
  document.addEventListener("pointerdown", wake);
  document.addEventListener("keydown", wake);
  const samples = new Float32Array(analyser.fftSize);
  let heard_at_ms = performance.now();
  const timer = setInterval(() => {
    if (context.state !== "running") return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    const level_db = 10 * Math.log10(power + 1e-12);
    const now_ms = performance.now();
    if (level_db > SILENT_DB) heard_at_ms = now_ms;
    onLevel(Math.min(1, Math.max(0, 1 - level_db / FLOOR_DB)), (now_ms - heard_at_ms) / 1000);
  }, EVERY_MS);
  return () => {
    clearInterval(timer);
    document.removeEventListener("pointerdown", wake);
    document.removeEventListener("keydown", wake);
    source.disconnect();
    void context.close();
  };
}
