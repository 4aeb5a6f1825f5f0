/**
 * Sends a deck to the relay. XMLHttpRequest, because fetch does not tell how much of a body has gone.
 */

import { RequestError, parseErrorBody } from "./protocol.js";

/**
 * @param {{lecture: string, token: string, file: File, onProgress: (share: number) => void}} upload
 *   onProgress: 0 to 1
 * @returns {Promise<void>}
 * @throws {RequestError}
 */
export function uploadDeck({ lecture, token, file, onProgress }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const title = file.name.replace(/\.pdf$/i, "");
    request.open("PUT", `/lectures/${encodeURIComponent(lecture)}/deck?title=${encodeURIComponent(title)}`);
    request.setRequestHeader("Authorization", `Bearer ${token}`);
    request.setRequestHeader("Content-Type", "application/pdf");
    request.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    request.onerror = () => reject(new RequestError(0, { id: "unreachable", text: "" }));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve();
      else reject(new RequestError(request.status, parseErrorBody(request.responseText, request.status)));
    };
    request.send(file);
  });
}
