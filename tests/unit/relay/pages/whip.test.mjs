import assert from "node:assert/strict";
import { test } from "node:test";

import { candidateFragment, limitOpus, parseIceServers } from "../../../../relay/pages/lib/whip.js";

const OFFER = [
  "v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1",
  "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1", "a=mid:0", "a=rtpmap:111 opus/48000/2",
  "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1", "a=mid:1", "",
].join("\r\n");

test("a fragment has the offer's credentials and each candidate under its media line (RFC 8840)", () => {
  const candidate = (mid, port) => ({ mid, candidate: `candidate:1 1 udp 2122260223 192.0.2.1 ${port} typ host` });
  assert.equal(
    candidateFragment(OFFER, [candidate("0", 1000), candidate("1", 2000), candidate("0", 1001)], true),
    [
      "a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1",
      "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0",
      "a=candidate:1 1 udp 2122260223 192.0.2.1 1000 typ host", "a=candidate:1 1 udp 2122260223 192.0.2.1 1001 typ host",
      "a=end-of-candidates",
      "m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=candidate:1 1 udp 2122260223 192.0.2.1 2000 typ host", "",
    ].join("\r\n"),
  );
});

test("the end of candidates alone is a fragment, too", () => {
  assert.match(candidateFragment(OFFER, [], true), /m=audio .*\r\na=mid:0\r\na=end-of-candidates\r\n$/);
  assert.doesNotMatch(candidateFragment(OFFER, [], false), /m=/);
});

test("ICE servers are read from Link headers, other links are not (RFC 9725 section 4.6)", () => {
  const header =
    '<stun:stun.example.net>; rel="ice-server", <https://example.net/doc>; rel="help", ' +
    '<turn:turn.example.net?transport=udp>; rel="ice-server"; username="us,er"; credential="pa\\"ss; x"; credential-type="password"';
  assert.deepEqual(parseIceServers(header), [
    { urls: "stun:stun.example.net" },
    { urls: "turn:turn.example.net?transport=udp", username: "us,er", credential: 'pa"ss; x' },
  ]);
  assert.deepEqual(parseIceServers(null), []);
});

test("the answer asks for mono at a lecture's rate and keeps its other parameters", () => {
  const answer = "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;stereo=1;useinbandfec=1\r\na=rtpmap:96 VP8/90000\r\n";
  assert.equal(
    limitOpus(answer, 32_000),
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1;maxaveragebitrate=32000;stereo=0\r\na=rtpmap:96 VP8/90000\r\n",
  );
  assert.match(limitOpus("a=rtpmap:109 opus/48000/2\r\n", 32_000), /^a=fmtp:109 maxaveragebitrate=32000;stereo=0\r?$/m);
  assert.equal(limitOpus("a=rtpmap:96 VP8/90000\r\n", 32_000), "a=rtpmap:96 VP8/90000\r\n");
});
