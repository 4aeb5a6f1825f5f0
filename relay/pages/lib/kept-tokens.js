/**
 * Under which names a window's memory (sessionStorage) has its tokens.
 */

export const STAFF_KEY = "hallcast.staff";

/** @param {string} lecture */
export const studioKey = (lecture) => `hallcast.token.${lecture}`;

/**
 * A token or hall code that opens one recording.
 * @param {string} lecture
 */
export const recordingKey = (lecture) => `hallcast.library.${lecture}`;
