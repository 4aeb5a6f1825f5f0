import assert from "node:assert/strict";
import { test } from "node:test";

import { MediaRates } from "../../../../relay/pages/lib/media-rates.js";

const report = ({ at_ms = 0, bytes = 0, lost = 0, packets = 0, samples = 0, concealed = 0, emitted = 0, delay_s = 0 }) =>
  new Map([
    ["pair", { type: "candidate-pair", nominated: true, timestamp: at_ms, bytesReceived: bytes, currentRoundTripTime: 0.3 }],
    [
      "voice",
      {
        type: "inbound-rtp", kind: "audio", packetsLost: lost, packetsReceived: packets, totalSamplesReceived: samples,
        concealedSamples: concealed, jitterBufferEmittedCount: emitted, jitterBufferDelay: delay_s,
      },
    ],
  ]);

test("rates are those of the time since the last look", () => {
  const rates = new MediaRates();
  assert.deepEqual(rates.update(report({ at_ms: 1000, bytes: 9000, lost: 5, packets: 50 })).received_kbps, 0);
  const now = { at_ms: 3000, bytes: 14_000, lost: 7, packets: 68, samples: 96_000, concealed: 48, emitted: 96_000, delay_s: 192_000 };
  assert.deepEqual(rates.update(report(now)), {
    fraction_lost: 0.1, rtt_ms: 300, received_kbps: 20, playout_delay_ms: 2000, voice_heard_ms: 1999,
  });
});

test("whatever the totals do, a report stays within what the relay takes", () => {
  const rates = new MediaRates();
  rates.update(report({ at_ms: 9000, bytes: 9e6, lost: 50, packets: 5000, samples: 9e6, emitted: 9e6, delay_s: 9e6 }));
  for (const values of [{ at_ms: 9100, lost: 60 }, { at_ms: 9050 }, { at_ms: 9200, lost: 3, packets: 1, samples: 10, concealed: 40 }]) {
    const stats = rates.update(report(values));
    assert.ok(stats.fraction_lost >= 0 && stats.fraction_lost <= 1, String(stats.fraction_lost));
    for (const value of Object.values(stats)) assert.ok(value >= 0 && Number.isFinite(value), JSON.stringify(stats));
  }
});

test("voice heard over an earlier connection still counts", () => {
  const rates = new MediaRates();
  rates.update(report({ samples: 480_000 }));
  rates.newConnection();
  assert.equal(rates.update(report({ samples: 48_000 })).voice_heard_ms, 11_000);
  assert.equal(rates.update(new Map()).voice_heard_ms, 11_000);
});
