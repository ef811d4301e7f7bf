// BlurHash (https://blurha.sh): a blurred preview in some thirty characters.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
const WIDTH = 24;
const HEIGHT = 16;

const number = (text) => [...text].reduce((sum, digit) => sum * 83 + DIGITS.indexOf(digit), 0);
const linear = (byte) => (byte <= 10 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
const srgb = (value) => {
  const v = Math.min(1, Math.max(0, value));
  return 255 * (v <= 0.0031308 ? v * 12.92 : 1.055 * v ** (1 / 2.4) - 0.055);
};

// Returns a canvas with the preview.
export function draw(hash) {
  const columns = (number(hash[0]) % 9) + 1;
  const greatest = (number(hash[1]) + 1) / 166;
  const mean = number(hash.slice(2, 6));
  const colors = [[mean >> 16, (mean >> 8) & 255, mean & 255].map(linear)];
  for (let at = 6; at < hash.length; at += 2) {
    const value = number(hash.slice(at, at + 2));
    const parts = [Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map((part) => (part - 9) / 9);
    colors.push(parts.map((part) => Math.sign(part) * part * part * greatest));
  }
  const canvas = Object.assign(document.createElement("canvas"), { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d");
  const image = context.createImageData(WIDTH, HEIGHT);
  for (let pixel = 0; pixel < WIDTH * HEIGHT; pixel++) {
    const [x, y] = [(pixel % WIDTH) / WIDTH, Math.floor(pixel / WIDTH) / HEIGHT];
    const sum = [0, 0, 0];
    colors.forEach((color, at) => {
      const basis = Math.cos(Math.PI * x * (at % columns)) * Math.cos(Math.PI * y * Math.floor(at / columns));
      color.forEach((part, channel) => (sum[channel] += part * basis));
    });
    image.data.set([...sum.map(srgb), 255], pixel * 4);
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
