"use strict";
// Unpacks a section's details, figures and pictures when it is opened.
const pictures = JSON.parse(document.getElementById("pictures").textContent);
const unpacked = new WeakMap();

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

async function unpack(packed) {
  const template = document.createElement("template");
  template.innerHTML = await inflate(packed.dataset.packed);
  for (const image of template.content.querySelectorAll("img[data-picture]")) image.src = pictures[image.dataset.picture];
  prepare(template.content);
  packed.replaceWith(template.content);
}

function unpackAll(root) {
  return Promise.all([...root.querySelectorAll(".packed")].map((packed) => {
    if (!unpacked.has(packed)) unpacked.set(packed, unpack(packed));
    return unpacked.get(packed);
  }));
}

// What scrolls sideways can be reached by keyboard, and only that.
const watcher = new ResizeObserver((entries) => {
  for (const scroll of new Set(entries.map(({ target }) => target.closest(".scroll, pre")))) {
    if (scroll.scrollWidth > scroll.clientWidth) scroll.tabIndex = 0;
    else scroll.removeAttribute("tabindex");
  }
});

function prepare(root) {
  for (const scroll of root.querySelectorAll(".scroll, pre")) {
    for (const one of [scroll, ...scroll.children]) watcher.observe(one);
    if (scroll.hasAttribute("role")) continue;
    scroll.setAttribute("role", "group");
    scroll.setAttribute("aria-label", scroll.querySelector("caption")?.textContent || "Scrolls sideways");
  }
  addDownloads(root);
}

async function reveal() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  const section = document.getElementById(id.split(":")[0])?.closest("details");
  if (!section) return;
  section.open = true;
  await unpackAll(section);
  const target = document.getElementById(id);
  (target?.matches(".body") ? section : target ?? section).scrollIntoView({ block: "start" });
  document.querySelector(".found")?.classList.remove("found");
  if (id.includes(":")) target?.classList.add("found");
}

for (const section of document.querySelectorAll(".experiment"))
  section.addEventListener("toggle", () => section.open && unpackAll(section));
addEventListener("hashchange", reveal);
addEventListener("beforeprint", () => document.querySelectorAll(".experiment").forEach((d) => (d.open = true)));
// The rest once the page is shown, so that it can be printed and searched.
addEventListener("load", () => {
  prepare(document);
  reveal();
  setTimeout(() => unpackAll(document), 500);
});
