// BlurHash: a photo's placeholder in some thirty characters, drawn on a small canvas.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
const WIDTH = 32;
const HEIGHT = 24;

// Returns a canvas of the placeholder, or null if the text is not one.
export function placeholder(hash) {
  if (!hash || hash.length < 6) return null;
  const across = (decode(hash[0]) % 9) + 1;
  const down = Math.floor(decode(hash[0]) / 9) + 1;
  if (hash.length !== 4 + 2 * across * down) return null;
  const greatest = (decode(hash[1]) + 1) / 166;
  const colors = Array.from({ length: across * down }, (_, at) =>
    at === 0 ? average(decode(hash.slice(2, 6))) : detail(decode(hash.slice(4 + at * 2, 6 + at * 2)), greatest));
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d");
  const image = context.createImageData(WIDTH, HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const sum = [0, 0, 0];
      for (let j = 0; j < down; j++) {
        for (let i = 0; i < across; i++) {
          const basis = Math.cos((Math.PI * x * i) / WIDTH) * Math.cos((Math.PI * y * j) / HEIGHT);
          const color = colors[i + j * across];
          for (let c = 0; c < 3; c++) sum[c] += color[c] * basis;
        }
      }
      image.data.set([...sum.map(toSrgb), 255], 4 * (x + y * WIDTH));
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

function decode(text) {
  let value = 0;
  for (const digit of text) value = value * 83 + DIGITS.indexOf(digit);
  return value;
}

const average = (value) => [value >> 16, (value >> 8) & 255, value & 255].map(toLinear);

function detail(value, greatest) {
  const digits = [Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19];
  return digits.map((digit) => Math.sign(digit - 9) * ((digit - 9) / 9) ** 2 * greatest);
}

function toLinear(value) {
  const v = value / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
}

function toSrgb(value) {
  const v = Math.max(0, Math.min(1, value));
  return Math.round(255 * (v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055));
}
