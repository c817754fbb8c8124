// Keeps the page up to date: it fetches the page again and puts the parts marked
// data-live in place of the old ones. Everything is rendered on the server.
const every = 2000; // milliseconds
const connection = document.getElementById("connection");
let since = null; // when the server stopped answering

async function update() {
  try {
    const answer = await fetch("./", { cache: "no-store", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    // Another set of stages: parts of the page are missing or too many.
    const ids = (doc) => [...doc.querySelectorAll("section[id]")].map((s) => s.id).join();
    if (ids(fresh) !== ids(document)) return location.reload();
    document.title = fresh.title;
    for (const old of document.querySelectorAll("[data-live]")) {
      const now = fresh.getElementById(old.id);
      if (now && now.innerHTML !== old.innerHTML) replace(old, now);
    }
    since = null;
    connection.textContent = "";
  } catch {
    since ??= new Date();
    connection.textContent = `No answer from xcapa since ${since.toLocaleTimeString()}: the figures are old.`;
  }
}

// replace swaps one part, and keeps where its tables were scrolled to and what
// had the focus.
function replace(old, now) {
  const part = document.adoptNode(now);
  const places = [...old.querySelectorAll(".scroll[id]")].map((e) => [e.id, e.scrollTop, e.scrollLeft]);
  const focus = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(part);
  for (const [id, top, left] of places) document.getElementById(id)?.scrollTo(left, top);
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

async function loop() {
  if (!document.hidden && getSelection().isCollapsed) await update();
  setTimeout(loop, every);
}
setTimeout(loop, every);
document.addEventListener("visibilitychange", () => { if (!document.hidden) update(); });
