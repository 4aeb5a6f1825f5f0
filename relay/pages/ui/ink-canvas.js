/**
 * The canvas that lies over a page: strokes and pointer, at the page's place whatever the stage's shape.
 */

import { element } from "./dom.js";

const POINTER_COLOUR = "#ff2828";
/** Radius, as a share of the page's width. */
const POINTER_SIZE = 0.011;

export class InkCanvas {
  constructor() {
    this.canvas = element("ink", HTMLCanvasElement);
    this._image = element("page", HTMLImageElement);
    /** @type {import("../lib/ink.js").Drawing} */
    this._drawing = { strokes: [], pointer: null };
    new ResizeObserver(() => this._paint()).observe(this.canvas);
    this._image.addEventListener("load", () => this._paint());
  }

  /** @param {import("../lib/ink.js").Drawing} drawing */
  show(drawing) {
    this._drawing = drawing;
    this._paint();
  }

  /** Where the page lies on the canvas, in CSS pixels. */
  get box() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const { naturalWidth, naturalHeight } = this._image;
    const scale = naturalWidth ? Math.min(width / naturalWidth, height / naturalHeight) : 0;
    const [w, h] = [naturalWidth * scale, naturalHeight * scale];
    return { x: (width - w) / 2, y: (height - h) / 2, width: w, height: h };
  }

  /**
   * @param {{clientX: number, clientY: number}} event
   * @returns {import("../lib/ink.js").Point | null} the place on the page, null beside it
   */
  place({ clientX, clientY }) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const { x, y, width, height } = this.box;
    const at = [(clientX - left - x) / width, (clientY - top - y) / height];
    if (!at.every((share) => share >= 0 && share <= 1)) return null;
    return /** @type {import("../lib/ink.js").Point} */ (at.map((share) => Math.round(share * 10_000) / 10_000));
  }

  _paint() {
    const { canvas, box } = this;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    const pen = canvas.getContext("2d");
    if (!pen) return;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    if (this._image.hidden || !box.width) return;
    pen.setTransform(box.width * scale, 0, 0, box.width * scale, box.x * scale, box.y * scale);
    const shape = box.height / box.width;
    pen.beginPath();
    pen.rect(0, 0, 1, shape);
    pen.save();
    pen.clip();
    pen.lineCap = "round";
    pen.lineJoin = "round";
    for (const stroke of this._drawing.strokes) drawStroke(pen, stroke, shape);
    if (this._drawing.pointer) drawPointer(pen, this._drawing.pointer, shape);
    pen.restore();
  }
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../lib/ink.js").Stroke} stroke
 * @param {number} shape height of the page, its width being 1
 */
function drawStroke(pen, { colour, width, points }, shape) {
  if (points.length === 0) return;
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.beginPath();
  pen.moveTo(points[0][0], points[0][1] * shape);
  // A lone point is a dot: a line of no length with round ends.
  for (const [x, y] of points.length > 1 ? points.slice(1) : points) pen.lineTo(x, y * shape);
  pen.stroke();
}

/**
 * @param {CanvasRenderingContext2D} pen
 * @param {import("../lib/ink.js").Point} place
 * @param {number} shape
 */
function drawPointer(pen, [x, y], shape) {
  for (const [colour, radius] of /** @type {[string, number][]} */ ([["#ffffff", POINTER_SIZE * 1.2], [POINTER_COLOUR, POINTER_SIZE]])) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(x, y * shape, radius, 0, 2 * Math.PI);
    pen.fill();
  }
}
