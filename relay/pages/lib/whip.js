/**
 * WHIP client (RFC 9725): the HTTP side, and the SDP it needs.
 */

import { RequestError, parseErrorBody } from "./protocol.js";

const SDP = "application/sdp";
const SDP_FRAGMENT = "application/trickle-ice-sdpfrag";

/** A relay that has not answered by then is treated as one that cannot be reached. */
const ANSWER_DEADLINE_MS = 15_000;
const GOODBYE_DEADLINE_MS = 3000;

/**
 * @typedef {{candidate: string, mid: string}} TrickledCandidate
 */

/** One session at a WHIP endpoint, as the 201 answer described it (RFC 9725 section 4.2). */
export class WhipSession {
  /**
   * @param {{answer: string, url: string, etag: string | null, iceServers: RTCIceServer[], token: string}} session
   */
  constructor({ answer, url, etag, iceServers, token }) {
    this.answer = answer;
    this.url = url;
    this.etag = etag;
    this.iceServers = iceServers;
    this._token = token;
  }

  /**
   * Send candidates (RFC 9725 section 4.3.2). A refusal is thrown.
   * @param {string} fragment from {@link candidateFragment}
   */
  async trickle(fragment) {
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${this._token}`, "Content-Type": SDP_FRAGMENT };
    if (this.etag) headers["If-Match"] = this.etag;
    await request(this.url, { method: "PATCH", headers, body: fragment });
  }

  /** End the session (RFC 9725 section 4.2). One that is already gone is as good as ended. */
  async delete() {
    await deleteSession(this.url, this._token);
  }
}

/**
 * @param {{url: string, token: string, offer: string}} publication
 * @returns {Promise<WhipSession>}
 * @throws {RequestError}
 */
export async function publish({ url, token, offer }) {
  const response = await request(url, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": SDP },
    body: offer,
  });
  const location = response.headers.get("Location");
  if (response.status !== 201 || !location) {
    throw new RequestError(response.status, { id: "whip_no_session", text: "" });
  }
  return new WhipSession({
    answer: await response.text(),
    url: new URL(location, response.url || url).href,
    etag: response.headers.get("ETag"),
    iceServers: parseIceServers(response.headers.get("Link")),
    token,
  });
}

/**
 * @param {string} url
 * @param {string} token
 */
export async function deleteSession(url, token) {
  try {
    // keepalive: the request outlives the page that is being closed.
    const headers = { Authorization: `Bearer ${token}` };
    await request(url, { method: "DELETE", headers, keepalive: true }, GOODBYE_DEADLINE_MS);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
  }
}

/**
 * @param {string} url
 * @param {RequestInit} init
 * @param {number} [deadline_ms]
 */
async function request(url, init, deadline_ms = ANSWER_DEADLINE_MS) {
  let response;
  try {
    const signal = AbortSignal.timeout(deadline_ms);
    response = await fetch(url, { cache: "no-store", credentials: "omit", signal, ...init });
  } catch {
    throw new RequestError(0, { id: "unreachable", text: "" });
  }
  if (!response.ok) throw new RequestError(response.status, parseErrorBody(await response.text(), response.status));
  return response;
}

/**
 * ICE servers from `Link` headers (RFC 9725 section 4.6).
 * @param {string | null} header all Link headers joined by commas, as `fetch` gives them
 * @returns {RTCIceServer[]}
 */
export function parseIceServers(header) {
  const servers = [];
  for (const match of (header ?? "").matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^",;\s]+))*)/g)) {
    /** @type {Record<string, string>} */
    const parameters = {};
    for (const [, name, quoted, bare] of match[2].matchAll(/([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^",;\s]+))/g)) {
      parameters[name.toLowerCase()] = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
    }
    if (parameters.rel !== "ice-server") continue;
    /** @type {RTCIceServer} */
    const server = { urls: match[1] };
    if (parameters.username !== undefined) server.username = parameters.username;
    if (parameters.credential !== undefined) server.credential = parameters.credential;
    servers.push(server);
  }
  return servers;
}

/**
 * An SDP fragment (RFC 8840) with candidates of an offer.
 * @param {string} offer the offer they belong to: credentials and media lines are its own
 * @param {TrickledCandidate[]} candidates
 * @param {boolean} complete whether these were the last
 */
export function candidateFragment(offer, candidates, complete) {
  const lines = [`a=ice-ufrag:${attribute(offer, "ice-ufrag")}`, `a=ice-pwd:${attribute(offer, "ice-pwd")}`];
  for (const section of mediaSections(offer)) {
    const mid = attribute(section, "mid");
    const own = candidates.filter((candidate) => candidate.mid === mid);
    // Everything is bundled on the first line: that is where the end of candidates belongs.
    const ends = complete && section === mediaSections(offer)[0];
    if (own.length === 0 && !ends) continue;
    lines.push(section.split(/\r?\n/, 1)[0], `a=mid:${mid}`);
    lines.push(...own.map(({ candidate }) => `a=${candidate}`));
    if (ends) lines.push("a=end-of-candidates");
  }
  return `${lines.join("\r\n")}\r\n`;
}

/**
 * Tell the browser's Opus encoder, by the receiver's parameters (RFC 7587), to send mono at a lecture's rate.
 * @param {string} answer
 * @param {number} rate_bps
 */
export function limitOpus(answer, rate_bps) {
  const payloadType = /^a=rtpmap:(\d+) opus\/48000/im.exec(answer)?.[1];
  if (!payloadType) return answer;
  const limits = `maxaveragebitrate=${rate_bps};stereo=0`;
  const format = new RegExp(`^(a=fmtp:${payloadType} )(.*)$`, "m");
  if (!format.test(answer)) return answer.replace(/^(a=rtpmap:\d+ opus\/48000.*)$/im, `$1\r\na=fmtp:${payloadType} ${limits}`);
  return answer.replace(format, (_, start, /** @type {string} */ parameters) => {
    const kept = parameters.trim().split(/\s*;\s*/).filter((one) => !/^(maxaveragebitrate|stereo)=/.test(one));
    return start + [...kept, limits].join(";");
  });
}

/**
 * @param {string} sdp
 * @returns {string[]} each media section, from its m= line on
 */
function mediaSections(sdp) {
  return sdp.split(/^(?=m=)/m).slice(1);
}

/**
 * @param {string} sdp
 * @param {string} name
 */
function attribute(sdp, name) {
  return new RegExp(`^a=${name}:(\\S+)`, "m").exec(sdp)?.[1] ?? "";
}
