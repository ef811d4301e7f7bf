// Placeholders of photos, and uploads by tus straight to the cluster.

import { draw } from "./blurhash.js";
import { upload } from "./tus.js";

const UPLOADS_AT_ONCE = 2;
const REFRESH_MILLISECONDS = 1500;

function showPlaceholders() {
  for (const figure of document.querySelectorAll("figure[data-blurhash]")) {
    const image = figure.querySelector("img");
    if (image.complete || figure.querySelector("canvas")) continue;
    const canvas = draw(figure.dataset.blurhash);
    figure.querySelector("a").prepend(canvas);
    image.addEventListener("load", () => canvas.remove());
  }
}

async function refresh() {
  const response = await fetch(location.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById("photos");
  document.getElementById("photos").replaceWith(fresh);
  showPlaceholders();
}

// Shows photos as they become ready.
async function follow() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, REFRESH_MILLISECONDS));
    if (document.querySelector("#photos[data-pending]")) await refresh().catch(() => {});
  }
}

async function post(path, document) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, { method: "POST", headers, body: JSON.stringify(document) });
  if (!response.ok) throw new Error(`The gallery answers ${response.status}`);
  return response;
}

function addRow(file) {
  const row = document.createElement("li");
  const name = document.createElement("span");
  const state = document.createElement("span");
  const bar = document.createElement("progress");
  name.textContent = file.name;
  state.textContent = "Waiting";
  bar.max = file.size;
  bar.value = 0;
  row.append(name, state, bar);
  document.querySelector(".uploads").append(row);
  return { row, state, bar };
}

async function addPhotos(album, files) {
  const rows = files.map(addRow);
  const { ticket, url } = await (await post(`/albums/${album}/tickets`, { count: files.length })).json();
  let next = 0;
  const work = async () => {
    while (next < files.length) {
      const index = next++;
      const { row, state, bar } = rows[index];
      try {
        state.textContent = "Uploading";
        const reference = await upload(url, files[index], { ticket, index, progress: (bytes) => (bar.value = bytes) });
        await post(`/albums/${album}/photos`, { reference, name: files[index].name });
        row.remove();
        await refresh();
      } catch (error) {
        state.textContent = error.message;
        state.className = "bad";
        bar.remove();
      }
    }
  };
  await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, work));
}

const drop = document.querySelector(".drop");
if (drop) {
  const { album } = drop.dataset;
  drop.querySelector("input").addEventListener("change", (event) => {
    addPhotos(album, [...event.target.files]);
    event.target.value = "";
  });
  for (const name of ["dragover", "dragleave", "drop"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.toggle("over", name === "dragover");
    });
  }
  drop.addEventListener("drop", (event) => addPhotos(album, [...event.dataTransfer.files]));
}
showPlaceholders();
follow();
