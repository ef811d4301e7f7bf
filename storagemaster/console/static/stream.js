// One event stream for all tabs of a browser. HTTP/1.1 allows six connections to a host, so a
// stream in each tab would starve the uploads. The tab that holds a Web Lock has the stream, and
// the others get its events through a BroadcastChannel. A hidden tab gives the lock away.

const NAMES = ["status", "uploaded", "ready", "failed", "deleted", "missed", "act", "signed-out"];
const LOCK = "glassplate-console-stream";

const listeners = new Map();
const channel = new BroadcastChannel(LOCK);
let source = null;
let release = null;
let isWanted = false;

// The latest status document, and the second at which it arrived here; null before the first.
export const latest = { status: null, arrived: 0 };

// Calls a function with the data of each event of a name, until the signal is aborted.
export function subscribe(name, listener, { signal } = {}) {
  if (!listeners.has(name)) listeners.set(name, new Set());
  listeners.get(name).add(listener);
  signal?.addEventListener("abort", () => listeners.get(name).delete(listener));
  if (name === "status" && latest.status) listener(latest.status);
}

export function start() {
  isWanted = true;
  channel.postMessage({ name: "hello" });
  lead();
}

export function stop() {
  isWanted = false;
  latest.status = null;
  close();
}

function deliver(name, data) {
  if (name === "status") Object.assign(latest, { status: data, arrived: Date.now() / 1000 });
  for (const listener of listeners.get(name) ?? []) listener(data);
}

channel.onmessage = ({ data: { name, data } }) => {
  if (!isWanted) return;
  if (name !== "hello") deliver(name, data);
  else if (source && latest.status) channel.postMessage({ name: "status", data: latest.status });
};

document.addEventListener("visibilitychange", () => {
  if (document.hidden) close();
  else if (isWanted) lead();
});

function lead() {
  if (release || document.hidden) return;
  const ended = new Promise((resolve) => (release = resolve));
  if (!navigator.locks) {
    // Without a secure context there are no locks, and each tab has a stream.
    open();
    return;
  }
  navigator.locks.request(LOCK, async () => {
    if (isWanted && release && !document.hidden) {
      open();
      await ended;
    }
  });
}

function open() {
  source = new EventSource("/console/stream");
  for (const name of NAMES) {
    source.addEventListener(name, (event) => {
      const data = JSON.parse(event.data);
      deliver(name, data);
      channel.postMessage({ name, data });
    });
  }
  source.onerror = () => {
    // A browser that was refused does not try again by itself.
    if (source?.readyState === EventSource.CLOSED) deliver("refused", {});
  };
}

function close() {
  source?.close();
  source = null;
  release?.();
  release = null;
}
